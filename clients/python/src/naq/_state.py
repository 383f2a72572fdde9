"""The state of a job, from the messages on its subjects: pure functions."""

import enum
import json
import re
from datetime import datetime
from typing import Any, Iterable, Mapping, NamedTuple, Optional, Tuple

# In the order in which they are read. A job that ends now is stored at a later place before it leaves an earlier one.
PLACES = ("q", "s", "d", "r")

_STATES = {"q": "pending", "s": "waiting", "d": "dead"}


class Stored(NamedTuple):
    """The last message on one of the four subjects of a job."""

    place: str
    seq: int
    # Since 1970, in nanoseconds.
    time: int
    headers: Mapping[str, str]
    data: bytes


class Step(NamedTuple):
    """Which life of the job a message is of, and how far that life is."""

    nonce: str
    progress: Tuple[int, int]


def newest(found: Iterable[Stored]) -> Optional[Stored]:
    """The message that says the state: the newest life that has not ended, or else the newest end."""
    # A message without a body on the record subject is a marker: others wait for this job.
    messages = [message for message in found if message.place != "r" or message.data]
    pairs = [(message, step_of(message)) for message in messages]
    live = [m for m, step in pairs if m.place in "qs" and not _is_over(m, step, pairs)]
    if live:
        return max(live, key=lambda message: message.seq)
    if not pairs:
        return None
    end, ended = max(pairs, key=lambda pair: (pair[0].place in "dr", pair[0].time))
    # The letter of a dead job says more than its record.
    letters = (m for m, step in pairs if m.place == "d" and step.nonce == ended.nonce)
    return next(letters, end) if "Naq-Died-At" in end.headers else end


def state_of(message: Stored) -> str:
    """The state that a message says."""
    return _STATES.get(message.place) or json.loads(message.data)["state"]


class Known(enum.Enum):
    """What the broker has of a job before it is sent."""

    NOTHING = "nothing"
    THIS = "this job: an earlier send was stored, and its answer was lost"
    OTHER = "another job with its id"


def knows(found: Iterable[Stored], nonce: Optional[str]) -> Known:
    """Whether a job may be sent whose id was chosen. ``nonce`` is its own if it may have been sent before."""
    messages = list(found)
    if any(step_of(message).nonce == nonce for message in messages):
        return Known.THIS
    # For a dead job its letter counts: once that is purged, the id is free. A marker has no body.
    refuse = (m.place != "r" or (m.data and "Naq-Died-At" not in m.headers) for m in messages)
    return Known.OTHER if any(refuse) else Known.NOTHING


def _is_over(message: Stored, step: Step, all_of_job: Iterable[Tuple[Stored, Step]]) -> bool:
    """Whether another message of the same life came after this one."""
    for other, its in all_of_job:
        if its.nonce != step.nonce:
            continue
        if other.place in "dr":
            return True
        if other.place == "s" and its.progress > step.progress:
            return True
        if other.place == "q" and other.seq > message.seq and its.progress >= step.progress:
            return True
    return False


def step_of(message: Stored) -> Step:
    """From the header, or for a job that was written by hand from its body, its sequence and its time."""
    nonce, _, counts = message.headers.get("Naq-Step", "").partition("/")
    attempt, _, snoozes = counts.partition("/")
    if nonce and attempt.isdecimal() and snoozes.isdecimal():
        return Step(nonce, (int(attempt), int(snoozes)))
    body = body_of(message)
    nonce = body.get("nonce") or f"s{message.seq}-{message.time // 1_000_000}"
    return Step(nonce, (body.get("attempt") or 1, body.get("snoozes") or 0))


def body_of(message: Stored) -> Mapping[str, Any]:
    """The body as a map. Empty for a dead letter that is not a job."""
    try:
        body = json.loads(message.data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def nanoseconds(time: str) -> int:
    """Since 1970, of a time as the broker writes it."""
    whole, fraction = re.fullmatch(r"([^.Z]+)(?:\.(\d+))?Z", time).groups()  # type: ignore[union-attr]
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0")[:9])
