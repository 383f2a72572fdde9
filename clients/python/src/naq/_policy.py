"""The retry policy of a job, in the form of the wire."""

import math
from datetime import timedelta
from typing import Any, Dict, Iterable, List, Optional, Sequence, Union

from ._errors import ConfigurationError
from ._kinds import KindLike, kinds_of

Seconds = Union[int, float, timedelta]
RetryDelay = Union[Seconds, Sequence[Seconds]]

_STRATEGIES = ("fixed", "linear", "exponential")


def millis(value: Seconds, name: str) -> int:
    """Whole milliseconds, rounded up: nothing is early."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        raise ConfigurationError(f"{name}: {value!r} is no number of seconds")
    if seconds < 0:
        raise ConfigurationError(f"{name}: {value!r} is below zero")
    # 0.1 s is 100 ms, although 0.1 * 1000 is a little more.
    return math.ceil(round(seconds * 1000, 6))


def policy(
    max_retries: Optional[int] = None,
    retry_delay: Optional[RetryDelay] = None,
    retry_strategy: Optional[str] = None,
    retry_on: Optional[Iterable[KindLike]] = None,
    ignore_on: Optional[Iterable[KindLike]] = None,
    max_delay: Optional[Seconds] = None,
    jitter: Optional[Union[str, float]] = None,
    retry_for: Optional[Seconds] = None,
) -> Optional[Dict[str, Any]]:
    """The policy as a map, or None for NAQ's default: 3 retries, 5 seconds apart."""
    fields: Dict[str, Any] = {}
    if max_retries is not None:
        if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
            raise ConfigurationError(f"max_retries: {max_retries!r} is no whole number from 0")
        fields["max_retries"] = max_retries
    if retry_delay is not None:
        fields["delay_ms"] = _delay(retry_delay)
    if retry_strategy is not None:
        if retry_strategy not in _STRATEGIES:
            raise ConfigurationError(f"retry_strategy: {retry_strategy!r}; use {', '.join(_STRATEGIES)}")
        fields["strategy"] = retry_strategy
    if retry_on is not None:
        kinds = kinds_of(retry_on)
        # Exception itself is every error, as no list is.
        fields["retry_on"] = [] if "Error" in kinds else kinds
    if ignore_on is not None:
        kinds = kinds_of(ignore_on)
        if "Error" in kinds:
            raise ConfigurationError("ignore_on: Exception is every error; use max_retries=0")
        fields["ignore_on"] = kinds
    if max_delay is not None:
        fields["max_delay_ms"] = millis(max_delay, "max_delay")
    if jitter is not None:
        fields["jitter"] = jitter
    if retry_for is not None:
        fields["retry_for_ms"] = millis(retry_for, "retry_for")
    return fields or None


def _delay(retry_delay: RetryDelay) -> Union[int, List[int]]:
    if isinstance(retry_delay, (list, tuple)):
        if not retry_delay:
            raise ConfigurationError("retry_delay: the list is empty")
        return [millis(value, "retry_delay") for value in retry_delay]
    return millis(retry_delay, "retry_delay")  # type: ignore[arg-type]
