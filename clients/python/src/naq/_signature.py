"""Signed requests of a worker."""

import hashlib
import hmac
import time
from typing import Optional

# How old or how new a request may be, in seconds.
MAX_AGE = 300


def is_signed(
    keys: str, header: Optional[str], path: str, body: bytes, now: Optional[float] = None
) -> bool:
    """Whether one of the keys, separated by commas, has signed the request within five minutes."""
    parts = [part.partition("=") for part in (header or "").split(",")]
    times = [value for name, _, value in parts if name == "t" and value.isdigit()]
    given = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or abs((time.time() if now is None else now) - int(times[0])) > MAX_AGE:
        return False
    signed = f"{times[0]}.{path}.".encode() + body
    found = False
    for key in (key.strip() for key in keys.split(",")):
        if key:
            own = hmac.new(key.encode(), signed, hashlib.sha256).hexdigest()
            # No early end, so that the time says nothing about the key.
            for value in given:
                found |= hmac.compare_digest(own.encode(), value.encode())
    return found
