"""Encrypted values, built only from docs/wire-format.md, against the golden file."""

import base64
import json
from pathlib import Path

import chacha20poly1305 as cipher
import pytest
from naq._stored import decompressed

GOLDEN = Path(__file__).parents[3] / "crates/naq-core/tests/golden/sealed.json"
VECTORS = json.loads(GOLDEN.read_text(encoding="utf-8"))
VALUES = VECTORS["values"]
KEYS = {name: base64.b64decode(key) for name, key in VECTORS["keys"].items()}
PREFIXES = {False: "naq:sealed:1:", True: "naq:sealed:2:"}


def unpadded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def padded(data):
    return base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))


def bound_to(key, kind, queue, owner, task):
    entries = [("key", key), ("kind", kind), ("queue", queue), owner, ("task", task)]
    lines = "".join(f"{name} {len(value.encode())}\n{value}\n" for name, value in entries)
    return b"naq-seal-1\n" + lines.encode()


def parts(case):
    owner = ("schedule", case["schedule"]) if "schedule" in case else ("id", case["id"])
    aad = bound_to(case["key"], case["kind"], case["queue"], owner, case["task"])
    if "compressed" in case:
        return aad, padded(case["compressed"].rsplit(":", 1)[1])
    codec = {"json": b"j", "msgpack": b"m"}[case["codec"]]
    return aad, codec + base64.b64decode(case["plain"])


def seal(case):
    aad, plain = parts(case)
    salt = base64.b64decode(case["salt"])
    key = cipher.hkdf(KEYS[case["key"]], salt, b"naq-seal-1")
    data = unpadded(salt + cipher.seal(key, bytes(12), aad, plain))
    schedule = f"{case['schedule']}:" if "schedule" in case else ""
    return f"{PREFIXES['compressed' in case]}{case['key']}:{schedule}{data}"


def test_the_cipher_is_that_of_rfc_8439():
    key = bytes(range(0x80, 0xA0))
    nonce = bytes.fromhex("070000004041424344454647")
    aad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        b"future, sunscreen would be it."
    )
    sealed = cipher.seal(key, nonce, aad, plain)
    assert sealed[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"
    assert sealed[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"


@pytest.mark.parametrize("case", VALUES, ids=[case["name"] for case in VALUES])
def test_a_sealed_value_is_that_of_the_page_and_opens_only_where_it_belongs(case):
    assert seal(case) == case["sealed"]
    aad, plain = parts(case)
    data = padded(case["sealed"].rsplit(":", 1)[1])
    if "compressed" in case:
        assert decompressed(case["compressed"])[1] == base64.b64decode(case["plain"])
    key = cipher.hkdf(KEYS[case["key"]], data[:24], b"naq-seal-1")
    assert cipher.open_sealed(key, bytes(12), aad, data[24:]) == plain
    moved = aad.replace(b"email.send", b"email.sent")
    with pytest.raises(ValueError):
        cipher.open_sealed(key, bytes(12), moved, data[24:])
