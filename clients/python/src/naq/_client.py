"""The client: enqueue jobs, and ask what became of them."""

import asyncio
import inspect
import json
import os
import re
import uuid
import weakref
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple, Union

import nats
import nats.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from . import _streams
from ._args import to_args, to_json
from ._errors import (
    ConfigurationError,
    JobExecutionError,
    JobNotFoundError,
    NaqConnectionError,
    NaqException,
)
from ._job import Job
from ._kinds import KindLike
from ._message import NewJob, new_job
from ._policy import RetryDelay, Seconds, millis, policy
from ._state import PLACES, Known, Stored, body_of, knows, nanoseconds, newest, state_of
from ._stored import plain, shown, shown_history
from ._sync import run
from ._tasks import name_of

Function = Union[str, Callable[..., Any]]

# How long the broker may take for one answer, and all of them together, in seconds.
ANSWER_TIMEOUT = 2.0
GIVE_UP_AFTER = 10.0
# Between two looks for a result, in seconds: the first, and the longest.
FIRST_LOOK, LAST_LOOK = 0.02, 0.5

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Client:
    """A connection to the broker. ``async with Client() as client: ...``

    ``url`` and ``prefix`` come from ``NAQ_NATS_URL`` and ``NAQ_PREFIX`` by default, as in the ``naq`` command.
    ``options`` are those of ``nats.connect``: user, password, token, user_credentials, tls.
    """

    def __init__(
        self,
        url: Optional[str] = None,
        *,
        prefix: Optional[str] = None,
        replicas: Optional[int] = None,
        storage: Optional[str] = None,
        **options: Any,
    ) -> None:
        env = os.environ
        self.url = url or env.get("NAQ_NATS_URL", "nats://localhost:4222")
        self.prefix = prefix or env.get("NAQ_PREFIX", "naq")
        self._replicas = replicas or int(env.get("NAQ_REPLICAS", "0"))
        self._storage = storage or env.get("NAQ_STORAGE", "file")
        self._options = {**_credentials(env), **options}
        self._nats: Optional[Nats] = None
        self._connecting: Optional["asyncio.Lock"] = None

    async def __aenter__(self) -> "Client":
        await self._connection()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection."""
        connection, self._nats = self._nats, None
        if connection is not None:
            await connection.close()

    async def enqueue(
        self,
        func: Function,
        *args: Any,
        queue_name: Optional[str] = None,
        delay: Optional[Seconds] = None,
        at: Optional[datetime] = None,
        job_id: Optional[str] = None,
        max_retries: Optional[int] = None,
        retry_delay: Optional[RetryDelay] = None,
        retry_strategy: Optional[str] = None,
        retry_on: Optional[Iterable[KindLike]] = None,
        ignore_on: Optional[Iterable[KindLike]] = None,
        max_delay: Optional[Seconds] = None,
        jitter: Optional[Union[str, float]] = None,
        retry_for: Optional[Seconds] = None,
        timeout: Optional[Seconds] = None,
        deadline: Optional[datetime] = None,
        result_ttl: Optional[Seconds] = None,
        tags: Iterable[str] = (),
        **kwargs: Any,
    ) -> Job:
        """Stores a job. ``func`` is a function or the name of a task; ``args`` and ``kwargs`` are its arguments.

        Returns when the broker has stored it. Raises ConfigurationError for a wrong option, SerializationError for
        an argument that has no form in JSON, and NaqConnectionError if the broker does not answer in 10 seconds.
        """
        _check_call(func, args, kwargs)
        rules = policy(
            max_retries, retry_delay, retry_strategy, retry_on, ignore_on, max_delay, jitter, retry_for
        )
        return await self.enqueue_task(
            name_of(func),
            to_args(args, kwargs),
            queue_name=queue_name,
            delay=delay,
            at=at,
            job_id=job_id,
            policy=rules,
            timeout=timeout,
            deadline=deadline,
            result_ttl=result_ttl,
            tags=tags,
        )

    async def enqueue_task(
        self,
        task: str,
        args: Any = None,
        *,
        queue_name: Optional[str] = None,
        delay: Optional[Seconds] = None,
        at: Optional[datetime] = None,
        job_id: Optional[str] = None,
        policy: Optional[Union[str, Mapping[str, Any]]] = None,
        timeout: Optional[Seconds] = None,
        deadline: Optional[datetime] = None,
        result_ttl: Optional[Seconds] = None,
        tags: Iterable[str] = (),
    ) -> Job:
        """Stores a job with exactly these arguments, for a handler in any language.

        ``policy`` is a text such as ``"exponential:2s,max_retries=4"``, or a map of the wire format.
        """
        queue = _checked(_NAME, queue_name or os.environ.get("NAQ_DEFAULT_QUEUE", "default"), "the queue")
        job = _checked(_ID, job_id or str(uuid.uuid4()), "the job id")
        due, now = await self._due(queue, delay, at)
        new = new_job(
            self.prefix,
            queue,
            job,
            name_of(task),
            args,
            uuid.uuid4().hex[:12],
            is_chosen=bool(job_id),
            policy=policy,
            timeout=timeout,
            deadline=deadline,
            result_ttl=result_ttl,
            tags=tags,
            due=due,
            now=now,
        )
        is_duplicate = await self._store(queue, job, new)
        return Job(self, job, queue, new.body["task"], is_duplicate)

    async def state(self, job_id: str, queue_name: str = "default") -> str:
        """The state of a job; see Job.state. Raises JobNotFoundError."""
        return state_of(await self._find(queue_name, job_id))

    async def result(self, job_id: str, queue_name: str = "default", *, timeout: Optional[float] = None) -> Any:
        """What the handler of the job returned; see Job.result."""
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        wait = FIRST_LOOK
        while True:
            message = await self._find(queue_name, job_id)
            if message.place in "dr":
                return _result_of(message, f"{queue_name}/{job_id}")
            if until is not None and loop.time() + wait > until:
                raise TimeoutError(f"job {queue_name}/{job_id} has not ended in {timeout} s")
            await asyncio.sleep(wait)
            wait = min(wait * 2, LAST_LOOK)

    async def history(self, job_id: str, queue_name: str = "default") -> List[Dict[str, Any]]:
        """The attempts of a job so far; see Job.history. Raises JobNotFoundError."""
        message = await self._find(queue_name, job_id)
        return shown_history(body_of(message).get("history", []))

    async def list_workers(self) -> List[Dict[str, Any]]:
        """The workers that are alive: ``worker_id``, ``status``, ``queues``, ``running``, ``concurrency`` and more."""
        subjects = {"multi_last": [f"{self.prefix}.w.>"]}
        found = await self._direct(f"{self.prefix.upper()}_WORKERS", subjects)
        workers = [json.loads(message.data) for message in found if message.data]
        return sorted(workers, key=lambda worker: worker["worker_id"])

    async def _connection(self) -> Nats:
        if self._connecting is None:
            self._connecting = asyncio.Lock()
        async with self._connecting:
            if self._nats is None or self._nats.is_closed:
                # What fails between two tries; without this the client logs each with its traceback.
                seen: List[Exception] = []

                async def note(error: Exception) -> None:
                    seen[:] = [error]

                options = {"name": "naq-client-python", "connect_timeout": 5, "max_reconnect_attempts": -1, "error_cb": note}
                try:
                    connecting = nats.connect(self.url, **{**options, **self._options})
                    self._nats = await asyncio.wait_for(connecting, GIVE_UP_AFTER)
                except (OSError, asyncio.TimeoutError, nats.errors.Error) as err:
                    why = next((str(e) for e in [*seen, err] if str(e)), type(err).__name__)
                    text = f"the broker at {self.url} cannot be reached: {why}; start one (naq dev), or set NAQ_NATS_URL"
                    raise NaqConnectionError(text) from None
            return self._nats

    async def _due(
        self, queue: str, delay: Optional[Seconds], at: Optional[datetime]
    ) -> Tuple[Optional[datetime], Optional[datetime]]:
        """When the job is due, and the time of now, if it has to wait."""
        if delay is not None and at is not None:
            raise ConfigurationError("delay and at: use one of them")
        if delay is not None:
            # By the broker's clock, which is the one that counts.
            now = await self._broker_now(queue)
            return now + timedelta(milliseconds=millis(delay, "delay")), now
        if at is not None and not isinstance(at, datetime):
            raise ConfigurationError(f"at: {at!r} is no datetime")
        return at, None if at is None else datetime.now(timezone.utc)

    async def _broker_now(self, queue: str) -> datetime:
        stream = f"{self.prefix.upper()}_Q_{queue}"
        info = await self._api(f"STREAM.INFO.{stream}", {})
        if info.get("error", {}).get("err_code") == _streams.STREAM_NOT_FOUND:
            await self._create(queue)
            info = await self._api(f"STREAM.INFO.{stream}", {})
        stamp = re.sub(r"(\.\d{6})\d*", r"\1", info["ts"]).replace("Z", "+00:00")
        return datetime.fromisoformat(stamp)

    async def _store(self, queue: str, job: str, new: NewJob) -> bool:
        """Publishes until the broker has answered, and returns whether another job has the id. Each send has the same
        message id, so that it is stored once; after an unclear answer it says that it may be the second, so that a
        worker looks before it runs the job. A chosen id is looked for first: the broker knows it for two minutes only."""
        connection = await self._connection()
        loop = asyncio.get_running_loop()
        body, headers = to_json(new.body, "the arguments"), new.headers
        until, wait, last, is_unclear = loop.time() + GIVE_UP_AFTER, 0.05, "no answer", False
        is_chosen = "Nats-Expected-Last-Subject-Sequence" in headers
        while loop.time() < until:
            if is_chosen:
                known = knows(await self._look(queue, job), new.body["nonce"] if is_unclear else None)
                if known is not Known.NOTHING:
                    return known is Known.OTHER
            try:
                answer = await connection.request(new.subject, body, ANSWER_TIMEOUT, headers=headers)
            except nats.errors.NoRespondersError:
                last = "the stream of the queue has no leader"
                await self._create(queue)
            except (asyncio.TimeoutError, nats.errors.Error) as err:
                last, is_unclear = str(err) or type(err).__name__, True
            else:
                ack: Dict[str, Any] = json.loads(answer.data)
                error = ack.get("error")
                if error is None:
                    # After an unclear answer the broker knows this job itself by its id, which is random.
                    return bool(ack.get("duplicate")) and (is_chosen or not is_unclear)
                last, code = error.get("description", "refused"), error.get("err_code")
                if code == _streams.WRONG_LAST_SEQUENCE and not is_unclear:
                    return True
                if code not in _streams.TRANSIENT | {_streams.WRONG_LAST_SEQUENCE}:
                    raise NaqException(f"the broker refuses the job: {last} ({code})")
                is_unclear = True
            if is_unclear:
                headers = {**headers, "Naq-Suspect": "1"}
            await asyncio.sleep(wait)
            wait = min(wait * 2, 1.0)
        text = f"the broker did not store the job in {GIVE_UP_AFTER:.0f} s: {last}. To repeat it safely, give it a job_id"
        raise NaqConnectionError(text)

    async def _create(self, queue: str) -> None:
        """Creates the stream of the queue, if it does not exist and this user may."""
        config = _streams.queue_stream(self.prefix, queue, await self._copies(), self._storage)
        answer = await self._api(f"STREAM.CREATE.{config['name']}", config)
        error = answer.get("error")
        if error is None or error.get("err_code") in _streams.TRANSIENT | {_streams.STREAM_EXISTS}:
            return
        raise NaqException(f"queue {queue} does not exist and cannot be created: {error.get('description')}")

    async def _copies(self) -> int:
        """How many copies a new stream gets. A user who may not ask goes by its own setting."""
        connection = await self._connection()
        clustered = bool((getattr(connection, "_server_info", None) or {}).get("cluster"))
        try:
            state = await self._api(f"STREAM.INFO.{self.prefix.upper()}_STATE", {})
        except NaqConnectionError:
            state = {}
        return _streams.copies(state.get("config") or {}, self._replicas, clustered)

    async def _api(self, verb: str, request: Mapping[str, Any]) -> Dict[str, Any]:
        connection = await self._connection()
        try:
            answer = await connection.request(f"$JS.API.{verb}", json.dumps(request).encode(), 5)
        except (asyncio.TimeoutError, nats.errors.Error) as err:
            text = f"the broker did not answer {verb}: {err or type(err).__name__}"
            raise NaqConnectionError(text) from err
        return json.loads(answer.data)

    async def _find(self, queue: str, job: str) -> Stored:
        """The message that says the state of a job. Raises JobNotFoundError."""
        # A job that moves from one place to another may be seen in neither.
        for wait in (FIRST_LOOK, FIRST_LOOK, 0):
            message = newest(await self._look(queue, job))
            if message is not None:
                return message
            await asyncio.sleep(wait)
        raise JobNotFoundError(f"there is no job {queue}/{job}, or its record has expired")

    async def _look(self, queue: str, job: str) -> List[Stored]:
        """The last message on each subject of a job."""
        _checked(_NAME, queue, "the queue")
        _checked(_ID, job, "the job id")
        found = [await self._last(place, queue, job) for place in PLACES]
        return [message for message in found if message is not None]

    async def _last(self, place: str, queue: str, job: str) -> Optional[Stored]:
        """The last message of a job at a place, or None."""
        prefix = self.prefix.upper()
        stream = {"r": f"{prefix}_RECORDS", "d": f"{prefix}_DEAD"}.get(place, f"{prefix}_Q_{queue}")
        found = await self._direct(stream, {"last_by_subj": f"{self.prefix}.{place}.{queue}.{job}"})
        if not found:
            return None
        headers = found[0].headers or {}
        seq, time = int(headers["Nats-Sequence"]), nanoseconds(headers["Nats-Time-Stamp"])
        return Stored(place, seq, time, headers, found[0].data)

    async def _direct(self, stream: str, request: Mapping[str, Any]) -> List[Msg]:
        """Reads messages. None of a stream that does not exist."""
        connection = await self._connection()
        inbox = connection.new_inbox()
        subscription = await connection.subscribe(inbox)
        found: List[Msg] = []
        try:
            subject = f"$JS.API.DIRECT.GET.{stream}"
            await connection.publish(subject, json.dumps(request).encode(), reply=inbox)
            while True:
                message = await subscription.next_msg(ANSWER_TIMEOUT)
                status = (message.headers or {}).get("Status")
                if status is not None:
                    # 404: nothing; 503: no such stream; 204: the end of several messages.
                    return found
                found.append(message)
                if "multi_last" not in request:
                    return found
        except (asyncio.TimeoutError, nats.errors.Error) as err:
            raise NaqConnectionError(f"the broker did not answer: {err or type(err).__name__}") from err
        finally:
            await subscription.unsubscribe()


def _result_of(end: Stored, job: str) -> Any:
    """What the record or the dead letter of a job says."""
    headers, state = end.headers, state_of(end)
    if state == "completed":
        if "Naq-Result" in headers:
            raise NaqException(f"the result of job {job} is stored beside its record: naq job result {job}")
        return plain(body_of(end).get("result"), f"the result of job {job}")
    kind, message = headers.get("Naq-Error-Kind"), shown(headers.get("Naq-Error"))
    text = f"job {job} is {state}"
    raise JobExecutionError(f"{text}: {kind}: {message}" if kind else text, state, kind)


def _check_call(func: Function, args: Any, kwargs: Mapping[str, Any]) -> None:
    """Refuses arguments that the function does not take, such as an option with a wrong name."""
    if isinstance(func, str):
        return
    try:
        signature = inspect.signature(func)
    except ValueError:  # some functions in C have none
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as err:
        raise ConfigurationError(f"{name_of(func)}{signature}: {err}; or an option of enqueue has a wrong name") from None


def _credentials(env: Mapping[str, str]) -> Dict[str, Any]:
    names = {
        "NAQ_NATS_USER": "user",
        "NAQ_NATS_PASSWORD": "password",
        "NAQ_NATS_TOKEN": "token",
        "NAQ_NATS_CREDS": "user_credentials",
    }
    return {option: env[name] for name, option in names.items() if env.get(name)}


def _checked(form: "re.Pattern[str]", value: str, what: str) -> str:
    if not form.fullmatch(value):
        raise ConfigurationError(f"{what} {value!r}: use letters, digits, _ and -")
    return value


# One client for each event loop and address: a connection belongs to its loop.
_CLIENTS: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Dict[str, Client]]" = weakref.WeakKeyDictionary()


def _shared(nats_url: Optional[str]) -> Client:
    clients = _CLIENTS.setdefault(asyncio.get_running_loop(), {})
    client = Client(nats_url)
    return clients.setdefault(client.url, client)


async def enqueue(func: Function, *args: Any, nats_url: Optional[str] = None, **options: Any) -> Job:
    """Stores a job; see Client.enqueue."""
    return await _shared(nats_url).enqueue(func, *args, **options)


async def enqueue_at(time: datetime, func: Function, *args: Any, nats_url: Optional[str] = None, **options: Any) -> Job:
    """Stores a job that runs at ``time``. A time without a zone is local."""
    return await _shared(nats_url).enqueue(func, *args, at=time, **options)


async def enqueue_in(delay: Seconds, func: Function, *args: Any, nats_url: Optional[str] = None, **options: Any) -> Job:
    """Stores a job that runs after ``delay``, by the broker's clock."""
    return await _shared(nats_url).enqueue(func, *args, delay=delay, **options)


async def list_workers(nats_url: Optional[str] = None) -> List[Dict[str, Any]]:
    """The workers that are alive; see Client.list_workers."""
    return await _shared(nats_url).list_workers()


def enqueue_sync(func: Function, *args: Any, nats_url: Optional[str] = None, **options: Any) -> Job:
    """``enqueue`` for programs that are not async."""
    return run(enqueue(func, *args, nats_url=nats_url, **options))


def enqueue_at_sync(time: datetime, func: Function, *args: Any, nats_url: Optional[str] = None, **options: Any) -> Job:
    """``enqueue_at`` for programs that are not async."""
    return run(enqueue_at(time, func, *args, nats_url=nats_url, **options))


def enqueue_in_sync(delay: Seconds, func: Function, *args: Any, nats_url: Optional[str] = None, **options: Any) -> Job:
    """``enqueue_in`` for programs that are not async."""
    return run(enqueue_in(delay, func, *args, nats_url=nats_url, **options))


def list_workers_sync(nats_url: Optional[str] = None) -> List[Dict[str, Any]]:
    """``list_workers`` for programs that are not async."""
    return run(list_workers(nats_url))
