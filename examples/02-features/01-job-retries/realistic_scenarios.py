"""An API, an import and a payment, and what monitoring sees. Needs what basic_retries.py needs."""

from naq import enqueue_sync, list_workers_sync
from retry_table import SCALE, check
from retry_tasks import AuthenticationError, HTTPError, api_call, charge, flaky_task, import_rows

SELECTIVE = {
    "max_retries": 3,
    "retry_delay": 10 * SCALE,
    "retry_on": (ConnectionError, TimeoutError, HTTPError),
    "ignore_on": (ValueError, AuthenticationError, PermissionError),
}

for worker in list_workers_sync():
    print(f"Worker {worker['worker_id']}: {worker['status']}")

check(
    [
        ("an API that is down for a while", enqueue_sync(api_call, fails=2, **SELECTIVE), "completed", 3, [10, 10]),
        ("wrong input is not tried again", enqueue_sync(flaky_task, error="value", **SELECTIVE), "dead", 1, []),
        ("an import that goes on", enqueue_sync(import_rows, rows=10, **SELECTIVE), "completed", 2, [10]),
        ("a payment that happens once", enqueue_sync(charge, amount=7, **SELECTIVE), "completed", 2, [10]),
        (
            "a critical job with many retries",
            enqueue_sync(flaky_task, fails=5, max_retries=5, retry_delay=[s * SCALE for s in (1, 2, 4, 8, 16)]),
            "completed", 6, [1, 2, 4, 8, 16],
        ),
    ]
)
