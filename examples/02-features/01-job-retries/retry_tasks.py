"""The tasks of the Python programs: each fails as its arguments say, and then succeeds."""

import naq


class AuthenticationError(Exception):
    """The token is wrong."""


class HTTPError(OSError):
    """The service answered with a status."""

    def __init__(self, code):
        super().__init__(f"status {code}")
        self.code = code


class RateLimited(HTTPError):
    """The service names the time of the next call."""


ERRORS = {
    "connection": lambda: ConnectionRefusedError("connection refused"),
    "timeout": lambda: TimeoutError("no answer"),
    "value": lambda: ValueError("amount is negative"),
    "auth": lambda: AuthenticationError("token expired"),
    "http": lambda: HTTPError(503),
}
# What was charged, by idempotency key: stands for a payment service.
CHARGED = {}


@naq.task
def flaky_task(fails=2, error="connection"):
    """Fails so many times, and then succeeds."""
    job = naq.current_job()
    if job.attempt <= fails:
        raise ERRORS[error]()
    return f"done in attempt {job.attempt}"


@naq.task
def api_call(fails=1, retry_after=None):
    """A service that is busy, and says for how long."""
    job = naq.current_job()
    if job.attempt <= fails:
        if retry_after is not None:
            raise naq.RetryAfter(retry_after, RateLimited(429), kind="HTTPError.429")
        raise HTTPError(503)
    return {"status": 200}


@naq.task
def import_rows(rows):
    """Goes on where the last attempt stopped."""
    job = naq.current_job()
    begin = job.checkpoint or 0
    for row in range(begin, rows):
        job.progress(row, rows, f"row {row}")
        if row == rows // 2 and begin == 0:
            job.save(row)
            raise ConnectionResetError("the database is gone")
    return rows - begin


@naq.task
def charge(amount):
    """Charges once, however often it runs."""
    job = naq.current_job()
    CHARGED.setdefault(job.idempotency_key, amount)
    if job.attempt == 1:
        raise TimeoutError("charged, but the answer was lost")
    return CHARGED[job.idempotency_key]


@naq.task
def wait_for_file():
    """Asks again later while the file is not there. No attempt is counted."""
    if naq.current_job().request["snoozes"] < 2:
        raise naq.Snooze(0.05)
    return "found"


@naq.task
def order(is_gone):
    """An order that was cancelled meanwhile, or that never existed."""
    if is_gone:
        raise naq.Cancel("the customer cancelled the order")
    raise naq.Never(ValueError("no such order"))
