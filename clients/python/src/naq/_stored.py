"""Values as the broker has them: plain, compressed or encrypted."""

import base64
import binascii
import json
import re
from typing import Any, Dict, List, Optional

from ._errors import NaqException

COMPRESSED = "naq:lz4:1:"
_SEALED = re.compile(r"naq:sealed:[12]:([A-Za-z0-9_-]{1,32}):")
# As the other clients: a larger value is refused before it takes memory.
_MAX_BYTES = 64 * 1024 * 1024


def key_of(text: Any) -> Optional[str]:
    """The id of the key with which a value is encrypted."""
    found = _SEALED.match(text) if isinstance(text, str) else None
    return found.group(1) if found else None


def plain(value: Any, what: str) -> Any:
    """The value itself. Raises NaqException for one that is encrypted, or that cannot be decompressed."""
    key = key_of(value)
    if key is not None:
        raise NaqException(f"{what} is encrypted with key {key}, and this client has no keys: use the naq command or the gateway")
    if not isinstance(value, str) or not value.startswith(COMPRESSED):
        return value
    try:
        codec, data = decompressed(value)
    except (ValueError, IndexError, binascii.Error) as err:
        raise NaqException(f"{what} cannot be decompressed: {err}") from err
    if codec != "json":
        raise NaqException(f"{what} is in {codec}, and this client reads JSON")
    return json.loads(data)


def shown(text: Optional[str]) -> Optional[str]:
    """The message of an error, or the sentence that says which key it needs."""
    key = key_of(text)
    return text if key is None else f"encrypted with key {key}"


def shown_history(history: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The attempts of a job, with the messages of their errors as people see them."""
    return [{**entry, "message": shown(entry["message"])} if "message" in entry else entry for entry in history]


def decompressed(text: str) -> "tuple[str, bytes]":
    """The codec and the bytes of a compressed value."""
    data = text[len(COMPRESSED) :]
    packed = base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))
    codec = {0x4A: "json", 0x4D: "msgpack"}.get(packed[0])
    size, block = int.from_bytes(packed[1:5], "big"), packed[5:]
    if codec is None:
        raise ValueError("it was cut or changed")
    if size > _MAX_BYTES or size > 255 * len(block):
        raise ValueError(f"it would have {size} bytes")
    return codec, _lz4(block, size)


def _lz4(block: bytes, size: int) -> bytes:
    """The plain bytes of a block of LZ4: literals, and copies of what is there already."""
    out, at = bytearray(), 0
    while True:
        token, at = block[at], at + 1
        literals, at = _length(block, at, token >> 4)
        if at + literals > len(block) or len(out) + literals > size:
            raise ValueError("it was cut or changed")
        out += block[at : at + literals]
        at += literals
        if at == len(block):
            if len(out) != size:
                raise ValueError("it was cut or changed")
            return bytes(out)
        offset, at = int.from_bytes(block[at : at + 2], "little"), at + 2
        length, at = _length(block, at, token & 15)
        start, length = len(out) - offset, length + 4
        if offset == 0 or start < 0 or len(out) + length > size:
            raise ValueError("it was cut or changed")
        # A copy may overlap what it writes: then its bytes repeat.
        piece = bytes(out[start : start + length])
        out += (piece * (length // len(piece) + 1))[:length]


def _length(block: bytes, at: int, length: int) -> "tuple[int, int]":
    """A length whose rest is in the bytes that follow, and where those end."""
    if length == 15:
        more = 255
        while more == 255:
            more, at = block[at], at + 1
            length += more
    return length, at
