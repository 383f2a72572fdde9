"""Caps, jitter, deadlines, and handlers that decide themselves. Needs what basic_retries.py needs."""

from naq import enqueue_sync
from retry_table import SCALE, check
from retry_tasks import HTTPError, api_call, flaky_task, order, wait_for_file

check(
    [
        (
            "a cap on growing delays",
            enqueue_sync(
                flaky_task, fails=4, max_retries=5, retry_delay=2 * SCALE,
                retry_strategy="exponential", max_delay=5 * SCALE,
            ),
            "completed", 5, [2, 4, 5, 5],
        ),
        (
            "retry_for: too late",
            enqueue_sync(flaky_task, max_retries=9, retry_delay=600, retry_for=60),
            "dead", 1, [],
        ),
        (
            "the service names the delay",
            enqueue_sync(api_call, retry_after=7 * SCALE, retry_delay=60),
            "completed", 2, [7],
        ),
        (
            "a status is below HTTPError",
            enqueue_sync(api_call, retry_delay=1 * SCALE, retry_on=(HTTPError,)),
            "completed", 2, [1],
        ),
        (
            "later, and not counted",
            enqueue_sync(wait_for_file, max_retries=0),
            "completed", 1, [],
        ),
        (
            "never again",
            enqueue_sync(order, is_gone=False),
            "dead", 1, [],
        ),
        (
            "cancelled by its handler",
            enqueue_sync(order, is_gone=True),
            "cancelled", 1, [],
        ),
    ]
)
