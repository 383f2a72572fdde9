"""The message of a new job: a pure function."""

from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Iterable, Mapping, NamedTuple, Optional, Union

from ._policy import Seconds, millis

# The broker's timer moves what is due every 250 ms. So a wait is scheduled this much earlier, and the worker holds the
# job for the rest.
AHEAD = timedelta(milliseconds=350)


class NewJob(NamedTuple):
    """A message that stores a job."""

    subject: str
    headers: Dict[str, str]
    body: Dict[str, Any]


def new_job(
    prefix: str,
    queue: str,
    job: str,
    task: str,
    args: Any,
    nonce: str,
    *,
    is_chosen: bool = False,
    policy: Optional[Union[str, Mapping[str, Any]]] = None,
    timeout: Optional[Seconds] = None,
    deadline: Optional[datetime] = None,
    result_ttl: Optional[Seconds] = None,
    tags: Iterable[str] = (),
    due: Optional[datetime] = None,
    now: Optional[datetime] = None,
) -> NewJob:
    """``nonce`` names the life of the job. ``is_chosen`` says that its id is no random one. ``now`` is the time of the
    enqueue, for a job that waits until ``due``: the time at which the broker stores the message in the queue is later."""
    body: Dict[str, Any] = {"v": 1, "id": job, "queue": queue, "task": task, "args": args, "nonce": nonce}
    headers = {"Content-Type": "application/json", "Nats-Msg-Id": job, "Naq-Step": f"{nonce}/1/0"}
    if is_chosen:
        headers["Nats-Expected-Last-Subject-Sequence"] = "0"
    if policy is not None:
        body["policy"] = policy
    if timeout is not None:
        body["timeout_ms"] = millis(timeout, "timeout")
    if deadline is not None:
        body["deadline"] = rfc3339(deadline)
    if result_ttl is not None:
        body["record_ttl_ms"] = millis(result_ttl, "result_ttl")
    tags = list(tags)
    if tags:
        body["tags"] = tags
    subject = f"{prefix}.q.{queue}.{job}"
    if due is not None:
        due = _whole_millis(due)
        if now is not None:
            body["enqueued_at"] = rfc3339(now)
        body["due_at"] = headers["Naq-Not-Before"] = rfc3339(due)
        headers["Nats-Schedule"] = f"@at {rfc3339(due - AHEAD)}"
        headers["Nats-Schedule-Target"] = subject
        subject = f"{prefix}.s.{queue}.{job}"
    return NewJob(subject, headers, body)


def rfc3339(time: datetime) -> str:
    """UTC with milliseconds, rounded up: nothing is early. A time without a zone is local, as in Python."""
    utc = _whole_millis(time)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def _whole_millis(time: datetime) -> datetime:
    utc = time.astimezone(timezone.utc)
    rest = utc.microsecond % 1000
    return utc + timedelta(microseconds=1000 - rest) if rest else utc
