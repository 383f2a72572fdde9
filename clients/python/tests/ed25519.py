"""ed25519 (RFC 8032) and nkeys in plain Python: slow, and only for tests."""

import base64
import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def _recover_x(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        raise ValueError("not a point")
    return P - x if x & 1 != sign else x


_Y = 4 * pow(5, P - 2, P) % P
BASE = (_recover_x(_Y, 0), _Y)


def _add(p, q):
    (x1, y1), (x2, y2) = p, q
    k = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P) % P
    return x, y


def _times(p, n):
    q = (0, 1)
    while n:
        if n & 1:
            q = _add(q, p)
        p, n = _add(p, p), n >> 1
    return q


def _pack(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _unpack(data):
    number = int.from_bytes(data, "little")
    y = number & (1 << 255) - 1
    return _recover_x(y, number >> 255), y


def _number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def _expand(secret):
    digest = hashlib.sha512(secret).digest()
    a = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
    return a, digest[32:]


def public_of(secret):
    return _pack(_times(BASE, _expand(secret)[0]))


def sign(secret, message):
    a, prefix = _expand(secret)
    public = _pack(_times(BASE, a))
    r = _number(prefix, message) % L
    point = _pack(_times(BASE, r))
    s = (r + _number(point, public, message) * a) % L
    return point + s.to_bytes(32, "little")


def verify(public, message, signature):
    try:
        r, a = _unpack(signature[:32]), _unpack(public)
    except ValueError:
        return False
    s = int.from_bytes(signature[32:], "little")
    h = _number(signature[:32], public, message) % L
    return s < L and _times(BASE, s) == _add(r, _times(a, h))


def _crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc.to_bytes(2, "little")


def _nkey(data):
    return base64.b32encode(data + _crc16(data)).decode().rstrip("=")


def nkey_public(public):
    """The public key of a user: U..."""
    return _nkey(bytes([20 << 3]) + public)


def nkey_seed(secret):
    """The seed of a user: SU..."""
    return _nkey(bytes([18 << 3 | 20 << 3 >> 5, (20 << 3 & 31) << 3]) + secret)


def from_nkey(text):
    """The 32 bytes of a public key or of a seed."""
    data = base64.b32decode(text + "=" * (-len(text) % 8))
    assert _crc16(data[:-2]) == data[-2:], "the checksum of the key is wrong"
    return data[-34:-2]
