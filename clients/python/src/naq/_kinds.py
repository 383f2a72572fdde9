"""Error kinds: an exception class as a dotted name.

NAQ compares kinds by their parts: ``retry_on=[ConnectionError]`` has ``ConnectionError.ConnectionRefusedError`` too.
So the kind of a class is the path from its oldest base to itself.
"""

import re
from typing import Iterable, List, Type, Union

KindLike = Union[str, Type[BaseException]]

# NAQ's own kinds. A class of this name begins a path; its bases are left out.
ROOTS = (
    "ConnectionError",
    "TimeoutError",
    "PermissionError",
    "AuthenticationError",
    "HTTPError",
    "ValueError",
)
# Bases that say nothing.
_TOO_WIDE = (BaseException, Exception, object)
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_:-]")
_MAX = 128


def kind_of_class(cls: Type[BaseException]) -> str:
    """``ConnectionRefusedError`` is ``ConnectionError.ConnectionRefusedError``."""
    path: List[str] = []
    while cls not in _TOO_WIDE:
        path.append(_NOT_ALLOWED.sub("_", cls.__name__))
        if cls.__name__ in ROOTS:
            break
        # The first base that is an exception: the others are mixins.
        cls = next((base for base in cls.__bases__ if issubclass(base, BaseException)), Exception)
    kind = ".".join(reversed(path)) or "Error"
    return kind if len(kind) <= _MAX else path[0][:_MAX]


def kind_of(error: BaseException) -> str:
    """The kind of a raised exception. An HTTP error has its status too: ``HTTPError.503``."""
    kind = kind_of_class(type(error))
    if kind.split(".")[0] == "HTTPError":
        status = getattr(error, "code", None) or getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(status, int):
            return f"HTTPError.{status}"
    return kind


def kinds_of(listed: Iterable[KindLike]) -> List[str]:
    """The kinds for ``retry_on`` and ``ignore_on``. A base of NAQ's own kinds, such as ``OSError``, names them too."""
    kinds: List[str] = []
    for item in [listed] if isinstance(listed, (str, type)) else listed:
        if isinstance(item, str):
            kinds.append(item)
            continue
        kinds.append(kind_of_class(item))
        for root in (ConnectionError, TimeoutError, PermissionError):
            if issubclass(root, item) and root is not item:
                kinds.append(root.__name__)
    return list(dict.fromkeys(kinds))
