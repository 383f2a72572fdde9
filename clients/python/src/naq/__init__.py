"""Enqueue jobs for NAQ, and run handlers in Python.

A producer::

    from naq import enqueue_sync

    job = enqueue_sync(send_email, to="a@example.com", max_retries=4, retry_delay=2, retry_strategy="exponential")
    print(job.result_sync(timeout=60))

A handler, which ``naq worker --exec-pool 'python3 -m naq serve tasks'`` runs::

    @naq.task
    def send_email(to): ...

Nothing is pickled: arguments and results are JSON.
"""

from ._client import (
    Client,
    enqueue,
    enqueue_at,
    enqueue_at_sync,
    enqueue_in,
    enqueue_in_sync,
    enqueue_sync,
    list_workers,
    list_workers_sync,
)
from ._errors import (
    ConfigurationError,
    GatewayError,
    JobExecutionError,
    JobNotFoundError,
    NaqConnectionError,
    NaqException,
    SerializationError,
)
from ._gateway import Gateway
from ._job import Job
from ._kinds import kind_of
from ._serve import CurrentJob, current_job, serve
from ._tasks import task
from ._then import Cancel, Never, RetryAfter, Snooze

__all__ = [
    "Cancel",
    "Client",
    "ConfigurationError",
    "CurrentJob",
    "Gateway",
    "GatewayError",
    "Job",
    "JobExecutionError",
    "JobNotFoundError",
    "NaqConnectionError",
    "NaqException",
    "Never",
    "RetryAfter",
    "SerializationError",
    "Snooze",
    "current_job",
    "enqueue",
    "enqueue_at",
    "enqueue_at_sync",
    "enqueue_in",
    "enqueue_in_sync",
    "enqueue_sync",
    "kind_of",
    "list_workers",
    "list_workers_sync",
    "serve",
    "task",
]
