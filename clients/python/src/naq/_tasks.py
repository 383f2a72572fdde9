"""Tasks: functions and their names."""

import re
from typing import Any, Callable, Dict, Iterable, Mapping, Optional, Union

from ._errors import ConfigurationError

Handler = Callable[..., Any]
Tasks = Union[Mapping[str, Handler], Iterable[Handler], None]

_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_ATTRIBUTE = "__naq_task__"
_REGISTERED: Dict[str, Handler] = {}


def task(function: Optional[Handler] = None, *, name: Optional[str] = None) -> Any:
    """Marks a function as a task: ``@naq.task``, or ``@naq.task(name="email.send")``. It stays callable as before."""

    def mark(function: Handler) -> Handler:
        own = checked(name or function.__name__)
        other = _REGISTERED.get(own)
        if other is not None and (other.__module__, other.__qualname__) != (function.__module__, function.__qualname__):
            raise ConfigurationError(f"task {own}: two functions have this name; give one of them another with name=")
        setattr(function, _ATTRIBUTE, own)
        _REGISTERED[own] = function
        return function

    return mark if function is None else mark(function)


def name_of(function: Union[str, Handler]) -> str:
    """The task of a function: the name that ``@task`` gave to it, or its own."""
    if isinstance(function, str):
        return checked(function)
    return checked(getattr(function, _ATTRIBUTE, None) or getattr(function, "__name__", repr(function)))


def checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name of a task: use 1 to 128 letters, digits, and _ - . : /")
    return name


def table(tasks: Tasks) -> Dict[str, Handler]:
    """The functions by name. None for those that ``@task`` has marked."""
    if tasks is None:
        found = dict(_REGISTERED)
    elif isinstance(tasks, Mapping):
        found = {checked(name): function for name, function in tasks.items()}
    else:
        found = {name_of(function): function for function in tasks}
    if not found:
        raise ConfigurationError("there are no tasks: mark functions with @naq.task, or give them to serve()")
    return found
