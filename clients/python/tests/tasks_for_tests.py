"""Tasks that the tests run under a real worker."""

import os
import signal
import urllib.error

import naq


@naq.task
def add(*numbers, **named):
    return sum(numbers) + sum(named.values())


@naq.task(name="email.send")
async def send_email(to):
    return f"sent to {to}, {naq.current_job()}"


@naq.task
def flaky(fails, error="ConnectionRefusedError"):
    job = naq.current_job()
    if job.attempt <= fails:
        raise __builtins__[error]("the service is down")
    return {"attempt": job.attempt, "last_error": job.last_error}


@naq.task
def advise(what):
    if what == "never":
        raise naq.Never(KeyError("no such order"))
    if what == "cancel":
        raise naq.Cancel("the order is gone")
    if what == "snooze" and naq.current_job().request["snoozes"] == 0:
        raise naq.Snooze(0.01)
    if what == "retry_after" and naq.current_job().attempt == 1:
        raise naq.RetryAfter(0.01, "slow down", kind="HTTPError.429")
    if what == "http":
        raise urllib.error.HTTPError("http://x", 503, "busy", None, None)
    return what


@naq.task
def steps():
    job = naq.current_job()
    done = job.checkpoint or 0
    job.progress(done, 2)
    print("what a handler prints is no answer")
    if done == 0:
        job.save(1)
        raise TimeoutError("half way")
    return done


@naq.task
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@naq.task
def flaky_task():
    return "flaky"


@naq.task
def api_call():
    return "called"
