"""What a handler raises to say what follows. Any other exception leaves it to the job's policy."""

from datetime import timedelta
from typing import Any, Dict, Optional, Union

from ._kinds import kind_of
from ._policy import millis

Seconds = Union[int, float, timedelta]


class _Then(Exception):
    then = "policy"

    def __init__(self, message: object = "", after: Optional[Seconds] = None, kind: Optional[str] = None) -> None:
        super().__init__(str(message))
        self.after = after
        self.kind = kind
        if isinstance(message, BaseException):
            # `raise Never(error)` has the kind of that error.
            self.kind = kind or kind_of(message)


class Never(_Then):
    """Never retry: ``raise Never("no such address", kind="ValueError")``, or ``raise Never(error)``."""

    then = "never"


class RetryAfter(_Then):
    """If the policy allows a retry, make it after that time: ``raise RetryAfter(17, "slow down")``."""

    then = "retry_after"

    def __init__(self, after: Seconds, message: object = "", kind: Optional[str] = None) -> None:
        super().__init__(message, after, kind)


class Snooze(_Then):
    """Run again after that time, and count no attempt: ``raise Snooze(60)``."""

    then = "snooze"

    def __init__(self, after: Seconds, message: object = "not yet", kind: Optional[str] = None) -> None:
        super().__init__(message, after, kind)


class Cancel(_Then):
    """End the job as cancelled: ``raise Cancel("the order is gone")``."""

    then = "cancel"


def is_then(error: BaseException) -> bool:
    """Whether a handler raised it to say what follows."""
    return isinstance(error, _Then)


def error_answer(error: BaseException) -> Dict[str, Any]:
    """The exception as an answer of the handler protocol."""
    if isinstance(error, _Then):
        answer = {"kind": error.kind or "Error", "message": str(error), "then": error.then}
        if error.after is not None:
            answer["after_ms"] = millis(error.after, "after")  # type: ignore[assignment]
        return {"error": answer}
    return {"error": {"kind": kind_of(error), "message": str(error) or type(error).__name__}}
