"""``Gateway``: all that NAQ's gateway does, over HTTP. It needs no account of the broker.

``docs/gateway.md`` of NAQ describes the calls.
"""

import asyncio
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from ._errors import (
    ConfigurationError,
    GatewayError,
    JobExecutionError,
    JobNotFoundError,
    NaqConnectionError,
)
from ._kinds import kinds_of
from ._policy import Seconds, millis
from ._args import to_json

# Options that are spans of time; a number means seconds.
_SPANS = ("expires_in", "timeout", "record_ttl", "unique_for", "max_wait", "retry_increment", "max_delay", "retry_for")
_TIMES = ("at", "deadline")
_KINDS = ("retry_on", "ignore_on")
# How long a request is sent again while the gateway or the broker does not answer, in seconds.
PATIENCE = 10.0
# The longest wait of one request, in seconds.
_WAIT = 50.0


class Gateway:
    """A gateway: ``Gateway("http://localhost:8090", key="naqk_...")``.

    Without arguments it takes ``NAQ_GATEWAY_URL`` and ``NAQ_GATEWAY_KEY``. Every method has an async twin: ``gateway.aio``.
    """

    def __init__(self, url: Optional[str] = None, key: Optional[str] = None, *, timeout: float = 30.0) -> None:
        self.url = (url or os.environ.get("NAQ_GATEWAY_URL") or "http://localhost:8090").rstrip("/")
        self._key = key or os.environ.get("NAQ_GATEWAY_KEY")
        self._timeout = timeout
        self.aio = _Async(self)

    def enqueue(
        self,
        task: str,
        args: Any = None,
        *,
        queue: str = "default",
        idempotency_key: Optional[str] = None,
        **options: Any,
    ) -> Dict[str, Any]:
        """Stores a job. Returns ``id``, ``queue``, ``task``, ``duplicate`` and, if another job holds its unique key, ``held_by``.

        ``options`` are those of ``naq enqueue``: ``in_`` (or ``delay``), ``at``, ``unique``, ``depends_on``, ``max_retries``,
        ``retry_delay`` and so on. Spans are numbers of seconds or timedeltas, but within ``debounce="KEY=5s"``. A request whose
        answer was lost is sent again, and stores one job: without an ``id`` or a ``debounce`` it has an Idempotency-Key.
        """
        job = {"task": task, "args": args, **_fields(options)}
        headers = {}
        # A debounced job that is sent again replaces itself.
        safe = next((name for name in ("id", "debounce") if job.get(name) is not None), None)
        if safe is None:
            headers["Idempotency-Key"] = idempotency_key or str(uuid.uuid4())
        elif idempotency_key is not None:
            raise ConfigurationError(f"both {safe} and idempotency_key: one of them is enough")
        return self._call("POST", f"/v1/queues/{_part(queue)}/jobs", job, headers, again=True)

    def job(self, job_id: str, queue: str = "default", *, wait: Optional[Seconds] = None) -> Dict[str, Any]:
        """The job: ``state``, ``attempts``, ``result`` and more. With ``wait``, when it has ended or after that time."""
        query = "" if wait is None else f"?wait={_span(wait, 'wait')}"
        return self._call("GET", f"/v1/jobs/{_part(queue)}/{_part(job_id)}{query}", again=True)

    def result(self, job_id: str, queue: str = "default", *, timeout: Optional[float] = None) -> Any:
        """Waits until the job has ended, and returns what its handler returned.

        Raises JobExecutionError if it ended without success, JobNotFoundError, and TimeoutError.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _WAIT if until is None else max(0.0, min(_WAIT, until - time.monotonic()))
            job = self.job(job_id, queue, wait=left)
            if job["state"] == "completed":
                return job["result"]
            if job["state"] in ("dead", "cancelled", "expired"):
                last: Mapping[str, Any] = (job["attempts"] or [{}])[-1]
                why = last.get("message") or last.get("reason") or ""
                text = f"job {queue}/{job_id} is {job['state']}: {why}"
                raise JobExecutionError(text, job["state"], last.get("error_kind"))
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"job {queue}/{job_id} has not ended in {timeout} s")

    def cancel(self, job_id: str, queue: str = "default", *, reason: Optional[str] = None) -> Dict[str, Any]:
        """Ends a job that has not ended. A running handler is notified."""
        body = {} if reason is None else {"reason": reason}
        return self._call("POST", f"/v1/jobs/{_part(queue)}/{_part(job_id)}/cancel", body)

    def retry_now(self, job_id: str, queue: str = "default") -> Dict[str, Any]:
        """Makes a waiting job due now."""
        return self._call("POST", f"/v1/jobs/{_part(queue)}/{_part(job_id)}/retry-now", {})

    def dead_letters(self, queue: Optional[str] = None, **filters: Any) -> List[Dict[str, Any]]:
        """All jobs that failed permanently: of a ``queue``, a ``task``, an ``error_kind``."""
        letters: List[Dict[str, Any]] = []
        start: Optional[int] = 0
        while start is not None:
            query = {"limit": 1000, "from": start, **({"queue": queue} if queue else {}), **filters}
            page = self._call("GET", f"/v1/dead-letters?{urllib.parse.urlencode(query)}", again=True)
            letters += page["letters"]
            start = page["next"]
        return letters

    def requeue(self, job_id: str, queue: str = "default", *, delay: Optional[Seconds] = None) -> Dict[str, Any]:
        """Gives a dead job a new life."""
        body = {} if delay is None else {"delay": _span(delay, "delay")}
        return self._call("POST", f"/v1/dead-letters/{_part(queue)}/{_part(job_id)}/requeue", body)

    def queues(self) -> List[Dict[str, Any]]:
        """The queues with their numbers."""
        return self._call("GET", "/v1/queues", again=True)["queues"]

    def workers(self) -> List[Dict[str, Any]]:
        """The workers that are alive."""
        return self._call("GET", "/v1/workers", again=True)["workers"]

    def schedules(self) -> List[Dict[str, Any]]:
        """The recurring jobs."""
        return self._call("GET", "/v1/schedules", again=True)["schedules"]

    def schedule(
        self,
        name: str,
        task: str,
        args: Any = None,
        *,
        cron: Optional[str] = None,
        every: Optional[Seconds] = None,
        queue: str = "default",
        time_zone: Optional[str] = None,
        **options: Any,
    ) -> Dict[str, Any]:
        """Runs a job again and again: at the times of ``cron``, or ``every`` so many seconds. Replaces the schedule of this name.

        ``options`` are those of ``enqueue`` that a schedule allows.
        """
        times = {"cron": cron, "every": None if every is None else _span(every, "every"), "time_zone": time_zone}
        body = {key: value for key, value in times.items() if value is not None}
        body.update(queue=queue, job={"task": task, "args": args, **_fields(options)})
        return self._call("PUT", f"/v1/schedules/{_part(name)}", body, again=True)

    def unschedule(self, name: str) -> bool:
        """Removes a schedule. False if there is none. Jobs that are enqueued already still run."""
        return self._call("DELETE", f"/v1/schedules/{_part(name)}", again=True)["removed"]

    def _call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Optional[Mapping[str, str]] = None,
        *,
        again: bool = False,
    ) -> Any:
        """Sends a request; again for ten seconds, if that is safe and there is no answer."""
        data = None if body is None else to_json(body, "the request")
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        if self._key:
            all_headers["Authorization"] = f"Bearer {self._key}"
        until = time.monotonic() + PATIENCE
        while True:
            request = urllib.request.Request(self.url + path, data, all_headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=self._timeout + _WAIT) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError as err:
                error, pause = _problem(err)
            except (OSError, ValueError) as err:
                error, pause = NaqConnectionError(f"the gateway at {self.url} does not answer: {err}"), 0.2
            if not again or pause is None or time.monotonic() + pause > until:
                raise error
            time.sleep(pause)


def _problem(err: urllib.error.HTTPError) -> "tuple[Exception, Optional[float]]":
    """The error of an answer, and after how many seconds the request may be sent again."""
    try:
        problem = json.loads(err.read())
        text = f"{problem['title']}: {problem['detail']}"
        text += f"; next: {problem['next']}" if problem.get("next") else ""
        kind = problem["type"].rpartition(":")[2]
    except (ValueError, KeyError, TypeError):
        text, kind = f"the gateway answered {err.code}", "unknown"
    if kind == "not-found":
        return JobNotFoundError(text), None
    pause = float(err.headers.get("Retry-After") or 1) if err.code in (429, 502, 503, 504) else None
    return GatewayError(text, err.code, kind), pause


def _part(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _span(value: Union[Seconds, str], name: str) -> str:
    return value if isinstance(value, str) else f"{millis(value, name)}ms"


def _time(value: Union[datetime, str]) -> str:
    if not isinstance(value, datetime):
        return value
    # A time without a zone is local, as everywhere in Python.
    return value.astimezone(timezone.utc).isoformat(timespec="milliseconds")


def _fields(options: Mapping[str, Any]) -> Dict[str, Any]:
    """The options as fields of the gateway."""
    fields: Dict[str, Any] = {}
    for name, value in options.items():
        if value is None:
            continue
        if name in ("in_", "delay"):
            fields["in"] = _span(value, name)
        elif name in _SPANS:
            fields[name] = _span(value, name)
        elif name in _TIMES:
            fields[name] = _time(value)
        elif name in _KINDS:
            fields[name] = kinds_of(value)
        elif name == "retry_delay":
            is_one = isinstance(value, (int, float, str, timedelta))
            fields[name] = _span(value, name) if is_one else [_span(each, name) for each in value]
        elif name in ("tags", "depends_on", "concurrency_key", "rate_limit") and isinstance(value, str):
            fields[name] = [value]
        else:
            fields[name] = value
    return fields


class _Async:
    """The methods of a gateway as coroutines: each runs in a thread."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._gateway, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return call
