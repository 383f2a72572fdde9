"""ChaCha20-Poly1305 (RFC 8439) and HKDF-SHA256 (RFC 5869) in plain Python: slow, and only for tests."""

import hashlib
import hmac
import struct

MASK = 0xFFFFFFFF


def hkdf(key, salt, info):
    """32 bytes."""
    prk = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def _quarter(s, a, b, c, d):
    for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = s[x] + s[y] & MASK
        z_value = s[z] ^ s[x]
        s[z] = (z_value << n | z_value >> 32 - n) & MASK


def _block(key, counter, nonce):
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    start += struct.unpack("<8I", key) + (counter,) + struct.unpack("<3I", nonce)
    s = list(start)
    for _ in range(10):
        for column in range(4):
            _quarter(s, column, column + 4, column + 8, column + 12)
        for column in range(4):
            _quarter(s, column, (column + 1) % 4 + 4, (column + 2) % 4 + 8, (column + 3) % 4 + 12)
    return struct.pack("<16I", *(a + b & MASK for a, b in zip(s, start)))


def _stream(key, nonce, data):
    out = bytearray()
    for n in range(0, len(data), 64):
        block = _block(key, 1 + n // 64, nonce)
        out += bytes(a ^ b for a, b in zip(data[n : n + 64], block))
    return bytes(out)


def _tag(key, nonce, aad, sealed):
    one_time = _block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(one_time[16:32], "little")

    def padded(data):
        return data + bytes(-len(data) % 16)

    data = padded(aad) + padded(sealed) + struct.pack("<QQ", len(aad), len(sealed))
    acc = 0
    for n in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[n : n + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return (acc + s & 2**128 - 1).to_bytes(16, "little")


def seal(key, nonce, aad, plain):
    sealed = _stream(key, nonce, plain)
    return sealed + _tag(key, nonce, aad, sealed)


def open_sealed(key, nonce, aad, sealed):
    sealed, tag = sealed[:-16], sealed[-16:]
    if not hmac.compare_digest(tag, _tag(key, nonce, aad, sealed)):
        raise ValueError("the tag does not fit")
    return _stream(key, nonce, sealed)
