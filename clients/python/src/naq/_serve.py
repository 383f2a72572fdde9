"""Runs functions as handlers: the other side of ``naq worker --exec-pool`` and ``--http``.

``docs/handler-protocol.md`` of NAQ describes what both say to each other.
"""

import asyncio
import contextvars
import inspect
import json
import os
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, Callable, Dict, Mapping, Optional, Tuple
from urllib.parse import unquote

from ._args import from_args, to_json
from ._kinds import kind_of
from ._signature import is_signed
from ._tasks import Handler, Tasks, table
from ._then import error_answer, is_then

Say = Callable[[Mapping[str, Any]], None]


class CurrentJob:
    """The attempt that runs now."""

    def __init__(self, request: Mapping[str, Any], say: Say) -> None:
        self.request = request
        self._run = request.get("run")
        self._say: Optional[Say] = say

    @property
    def id(self) -> str:
        return self.request["id"]

    @property
    def queue(self) -> str:
        return self.request["queue"]

    @property
    def task(self) -> str:
        return self.request["task"]

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self.request["attempt"]

    @property
    def max_attempts(self) -> int:
        return self.request["max_attempts"]

    @property
    def is_last_attempt(self) -> bool:
        return self.attempt >= self.max_attempts

    @property
    def last_error(self) -> Optional[Mapping[str, str]]:
        """``kind`` and ``message`` of the last attempt that failed."""
        return self.request.get("last_error")

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts: for services that must act once."""
        return self.request["idempotency_key"]

    @property
    def checkpoint(self) -> Any:
        """What an earlier attempt saved. None if nothing was saved."""
        return self.request.get("checkpoint")

    def _answer(self, answer: Mapping[str, Any]) -> None:
        say = self._say
        if say is None:
            # A thread that outlives its attempt must not speak for the next one.
            raise RuntimeError(f"the attempt of job {self.id} has ended")
        say({**answer, "run": self._run} if self._run else answer)

    def _end(self, answer: Mapping[str, Any]) -> None:
        self._answer(answer)
        self._say = None

    def progress(self, done: int, total: int = 0, message: str = "") -> None:
        """Says how far the attempt is."""
        self._answer({"progress": {"done": max(0, round(done)), "total": max(0, round(total)), "message": message}})

    def save(self, state: Any) -> None:
        """Saves ``state`` for the next attempt to find as its ``checkpoint``."""
        self._answer({"checkpoint": state})

    def __str__(self) -> str:
        return f"attempt {self.attempt} of {self.max_attempts}"


_CURRENT: "contextvars.ContextVar[CurrentJob]" = contextvars.ContextVar("naq_current_job")


def current_job() -> CurrentJob:
    """The attempt that runs now.

    Raises LookupError outside of a handler.
    """
    return _CURRENT.get()


def run(tasks: Mapping[str, Handler], request: Mapping[str, Any], say: Say) -> None:
    """Runs one attempt, and says how it ended."""
    job = CurrentJob(request, say)
    token = _CURRENT.set(job)
    try:
        args, kwargs = from_args(request.get("args"))
        result = tasks[request["task"]](*args, **kwargs)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        # An error of the result is an error of the attempt.
        to_json(result, "the result")
        job._end({"result": result})
    except (Exception, SystemExit, GeneratorExit) as err:  # every error is an answer
        try:
            if is_then(err):
                # Meant, and no fault of the code: one line, without its traceback.
                print(f"{type(err).__name__}: {err}", file=sys.stderr)
            else:
                traceback.print_exc(file=sys.stderr)
            answer = error_answer(err)
            to_json(answer, "the error")
        except Exception:  # an error that cannot be printed or sent
            answer = {"error": {"kind": kind_of(err), "message": "an error whose message cannot be sent"}}
        job._end(answer)
    finally:
        _CURRENT.reset(token)


async def _awaited(result: Any) -> Any:
    return await result


def serve(
    tasks: Tasks = None,
    *,
    http: Optional[str] = None,
    concurrency: Optional[int] = None,
    keys: Optional[str] = None,
) -> None:
    """Runs handlers until the worker hangs up, or with ``http`` ("127.0.0.1:8000") until a signal.

    ``tasks``: functions, or a map of names to functions; by default those that ``@naq.task`` has marked.
    ``concurrency``: how many attempts a worker may run at once; over HTTP 10 by default.
    ``keys``: over HTTP, accept only requests that one of these keys has signed.
    """
    functions = table(tasks)
    if http is not None:
        host, _, port = http.rpartition(":")
        try:
            server = http_server(functions, host or "127.0.0.1", int(port), concurrency or 10, keys)
        except OSError as err:
            raise SystemExit(f"cannot listen on {http}: {err}; use another port") from None
        with server:
            server.serve_forever()
        return
    if "--describe" in sys.argv[1:]:
        sys.stdout.write(to_json(_list(functions, concurrency), "the list").decode() + "\n")
        return
    # Programs that handlers start inherit 0 and 1: they must neither read requests nor write between the answers.
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    sys.stdout = sys.stderr
    serve_lines(functions, requests, answers)


def serve_lines(functions: Mapping[str, Handler], requests: BinaryIO, answers: BinaryIO) -> None:
    """One request a line, and its answers."""
    lock = threading.Lock()

    def say(answer: Mapping[str, Any]) -> None:
        line = to_json(answer, "the answer") + b"\n"
        with lock:
            answers.write(line)
            answers.flush()

    # Not `for line in requests`, which reads ahead.
    for line in iter(requests.readline, b""):
        if line.strip():
            try:
                request = json.loads(line)
            except (ValueError, RecursionError) as err:
                say({"error": {"kind": "DecodeError", "message": f"the request: {err}", "then": "never"}})
            else:
                run(functions, request, say)


def _list(functions: Mapping[str, Handler], concurrency: Optional[int]) -> Dict[str, Any]:
    listed: Dict[str, Any] = {"v": 1, "tasks": sorted(functions)}
    if concurrency:
        listed["concurrency"] = concurrency
    return listed


def http_server(
    functions: Mapping[str, Handler], host: str, port: int, concurrency: int, keys: Optional[str]
) -> ThreadingHTTPServer:
    """An HTTP server for one application. Its path does not matter: the last segment is the task."""

    class HandlerServer(BaseHTTPRequestHandler):
        # The end of the connection is the end of the stream of answers.
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            if self._is_allowed(b""):
                self._reply(200, "application/json", to_json(_list(functions, concurrency), "the list"))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self._is_allowed(body):
                return
            name = unquote(self.path.rsplit("/", 1)[-1])
            if name not in functions:
                self._problem(404, f"there is no task {name}")
                return
            try:
                request = json.loads(body)
            except (ValueError, RecursionError) as err:
                self._problem(400, f"the request: {err}")
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.end_headers()

            def say(answer: Mapping[str, Any]) -> None:
                self.wfile.write(to_json(answer, "the answer") + b"\n")
                self.wfile.flush()

            run(functions, request, say)

        def _is_allowed(self, body: bytes) -> bool:
            if keys is None or is_signed(keys, self.headers.get("Naq-Signature"), self.path, body):
                return True
            self._problem(401, "the request has no signature that fits")
            return False

        def _problem(self, status: int, detail: str) -> None:
            problem = to_json({"status": status, "detail": detail}, "the problem")
            self._reply(status, "application/problem+json", problem)

        def _reply(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Tuple[Any, ...]) -> None:
            """The worker logs each attempt."""

    return ThreadingHTTPServer((host, port), HandlerServer)
