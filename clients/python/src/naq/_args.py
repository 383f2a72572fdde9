"""Arguments of a Python call as JSON, and back.

Keyword arguments alone are an object, positional arguments alone are a list, both are an object with the fields
``args`` and ``kwargs``. So a handler in another language gets the plain form.
"""

import json
from typing import Any, Dict, List, Mapping, Tuple

from ._errors import SerializationError


def to_args(args: Tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    if args and kwargs:
        return {"args": list(args), "kwargs": dict(kwargs)}
    if kwargs:
        # An object of exactly this form would be read as the form above.
        return dict(kwargs) if set(kwargs) != {"args", "kwargs"} else {"args": [], "kwargs": dict(kwargs)}
    return list(args) if args else None


def from_args(value: Any) -> Tuple[List[Any], Dict[str, Any]]:
    if value is None:
        return [], {}
    if isinstance(value, list):
        return value, {}
    if isinstance(value, dict):
        args, kwargs = value.get("args"), value.get("kwargs")
        if set(value) == {"args", "kwargs"} and isinstance(args, list) and isinstance(kwargs, dict):
            return args, kwargs
        return [], value
    return [value], {}


def to_json(value: Any, what: str) -> bytes:
    """JSON without NaN, which is none."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as err:
        raise SerializationError(f"{what}: {err}; NAQ stores JSON") from err
