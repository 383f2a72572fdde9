"""A job that was enqueued."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional

if TYPE_CHECKING:
    from ._client import Client


class Job:
    """A job that the broker has stored."""

    def __init__(self, client: "Client", job_id: str, queue_name: str, task: str, is_duplicate: bool = False) -> None:
        self._client = client
        self.job_id = job_id
        self.queue_name = queue_name
        self.task = task
        #: Whether a job with this id was stored before, so that this enqueue stored nothing.
        self.is_duplicate = is_duplicate

    async def result(self, timeout: Optional[float] = None) -> Any:
        """Waits until the job has ended, and returns what its handler returned.

        Raises JobExecutionError if it ended without success, JobNotFoundError if it is gone, and TimeoutError.
        """
        return await self._client.result(self.job_id, self.queue_name, timeout=timeout)

    async def state(self) -> str:
        """``pending``, ``waiting``, ``completed``, ``dead``, ``cancelled`` or ``expired``.

        ``pending`` is in the queue or running; ``waiting`` is scheduled or waits for a retry.
        """
        return await self._client.state(self.job_id, self.queue_name)

    async def history(self) -> List[Dict[str, Any]]:
        """What happened in each attempt: ``outcome``, ``error_kind``, ``message``, ``rule``, ``delay_ms`` and more."""
        return await self._client.history(self.job_id, self.queue_name)

    def result_sync(self, timeout: Optional[float] = None) -> Any:
        """``result`` for programs that are not async."""
        from ._sync import run

        return run(self.result(timeout))

    def state_sync(self) -> str:
        """``state`` for programs that are not async."""
        from ._sync import run

        return run(self.state())

    def history_sync(self) -> List[Dict[str, Any]]:
        """``history`` for programs that are not async."""
        from ._sync import run

        return run(self.history())

    def __repr__(self) -> str:
        return f"Job({self.queue_name}/{self.job_id}, {self.task})"
