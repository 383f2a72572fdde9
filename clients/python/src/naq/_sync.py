"""Runs async calls for programs that are not async: on one event loop, in a thread of its own."""

import asyncio
import os
import threading
from typing import Any, Coroutine, Optional, Tuple, TypeVar

T = TypeVar("T")

_LOCK = threading.Lock()
# A fork has no threads of its parent, so the loop belongs to a process.
_LOOP: Optional[Tuple[int, asyncio.AbstractEventLoop]] = None


def run(call: "Coroutine[Any, Any, T]") -> T:
    """Waits for the call."""
    loop = _loop()
    return asyncio.run_coroutine_threadsafe(call, loop).result()


def _loop() -> asyncio.AbstractEventLoop:
    global _LOOP
    with _LOCK:
        if _LOOP is None or _LOOP[0] != os.getpid():
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="naq", daemon=True).start()
            _LOOP = (os.getpid(), loop)
        return _LOOP[1]
