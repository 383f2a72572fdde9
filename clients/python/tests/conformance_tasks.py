"""The tasks of `naq conformance handler`: docs/handler-protocol.md says what each does.

The arguments are taken from the request, because an object becomes keyword arguments of a function.
"""

import os
import signal
import time

import naq


class ConformanceError(Exception):
    """What a case fails with. Its kind is its name."""


class HTTPError(Exception):
    """Its kind has the status too: HTTPError.503."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def error_of(kind, message):
    name, _, status = kind.partition(".")
    return HTTPError(int(status), message) if name == "HTTPError" else ConformanceError(message)


@naq.task(name="conformance.echo")
def echo(*_, **__):
    return naq.current_job().request["args"]


@naq.task(name="conformance.size")
def size(*_, **__):
    return len(naq.current_job().request["args"])


@naq.task(name="conformance.error")
def error(*_, **__):
    job = naq.current_job()
    told = job.request["args"]
    if job.attempt > 1 or job.request["snoozes"] > 0:
        return "done"
    kind, message, then = told["kind"], told["message"], told.get("then")
    after = told.get("after_ms", 0) / 1000
    if then == "never":
        raise naq.Never(message, kind=kind)
    if then == "retry_after":
        raise naq.RetryAfter(after, message, kind=kind)
    if then == "snooze":
        raise naq.Snooze(after, message)
    if then == "cancel":
        raise naq.Cancel(message)
    raise error_of(kind, message)


@naq.task(name="conformance.steps")
def steps(*_, **__):
    job = naq.current_job()
    if job.checkpoint is not None:
        return job.checkpoint
    job.progress(1, 2, "half")
    job.save({"step": 1, "of": "größer"})
    raise ConformanceError("half way")


@naq.task(name="conformance.attempt")
def attempt(*_, **__):
    job = naq.current_job()
    if job.attempt < job.request["args"]:
        raise ConformanceError(f"attempt {job.attempt} of {job.max_attempts} fails")
    return job.request["last_error"]


@naq.task(name="conformance.slow")
def slow(*_, **__):
    time.sleep(naq.current_job().request["args"] / 1000)
    return "done"


@naq.task(name="conformance.die")
def die(*_, **__):
    crashes = naq.current_job().request["crashes"]
    if crashes == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return crashes
