"""Basic retry strategies. Needs a broker, and in this folder: naq worker default retry_queue --log-level DEBUG"""

from naq import enqueue_sync
from retry_table import SCALE, check
from retry_tasks import AuthenticationError, flaky_task

check(
    [
        (
            "fixed: 5s",
            enqueue_sync(flaky_task, max_retries=3, retry_delay=5 * SCALE),
            "completed", 3, [5, 5],
        ),
        (
            "a delay for each retry",
            enqueue_sync(flaky_task, fails=3, max_retries=3, retry_delay=[2 * SCALE, 5 * SCALE, 10 * SCALE]),
            "completed", 4, [2, 5, 10],
        ),
        (
            "exponential: 2s, 4s, 8s, 16s",
            enqueue_sync(flaky_task, fails=4, max_retries=4, retry_delay=2 * SCALE, retry_strategy="exponential"),
            "completed", 5, [2, 4, 8, 16],
        ),
        (
            "no retry is left",
            enqueue_sync(flaky_task, fails=9, max_retries=2, retry_delay=1 * SCALE, queue_name="retry_queue"),
            "dead", 3, [1, 1],
        ),
        (
            "retry_on has the error",
            enqueue_sync(flaky_task, retry_delay=1 * SCALE, retry_on=(ConnectionError, TimeoutError)),
            "completed", 3, [1, 1],
        ),
        (
            "ignore_on has the error",
            enqueue_sync(flaky_task, error="auth", retry_delay=1 * SCALE, ignore_on=(ValueError, AuthenticationError)),
            "dead", 1, [],
        ),
    ]
)
