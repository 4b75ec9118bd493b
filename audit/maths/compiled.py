"""Functions compiled by numba, the first time that they are called (ADR 0015).

A module that defines one is imported where it is called, and nowhere else: numba takes most of a second to import. What
is compiled lets go of the interpreter's lock, and no arithmetic is reordered.
"""

from __future__ import annotations

import hashlib
import inspect
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def inlined(function: F) -> F:
    """A part of a compiled function (decorator)."""
    jitted: F = numba.njit(nogil=True, error_model="numpy")(function)
    return jitted


def _digest(modules: tuple[ModuleType, ...]) -> str:
    """What names the sources of modules, 16 hexadecimal digits."""
    sources = hashlib.sha256()
    for module in modules:
        sources.update(inspect.getsource(module).encode())
    return sources.hexdigest()[:16]


class Compiled:
    """A function without result that is compiled before its first call, and kept in numba's cache.

    The cache is the folder ``__pycache__`` beside the function's file, or else the user's (``NUMBA_CACHE_DIR`` names
    another). Where none can be written, or what is in it cannot be read, every process compiles for itself.

    Parameters
    ----------
    function : callable
    nothing : callable
        Gives arguments that the function does nothing with, of the types that it is always called with.
    reads : tuple of modules
        Other modules whose constants are compiled in: numba sees when the function's own file changes, and only that.
    """

    def __init__(
        self, function: Callable[..., None], nothing: Callable[[], tuple[Any, ...]], reads: tuple[ModuleType, ...] = ()
    ) -> None:
        function.__qualname__ = f"{function.__qualname__}_{_digest(reads)}"  # it names the files of the cache
        self._function = function
        self._nothing = nothing
        self._lock = threading.Lock()
        self._ready: Callable[..., None] | None = None

    def __call__(self, *arguments: Any) -> None:
        """Call it; threads that do so at once wait for one of them to compile it."""
        with self._lock:
            self._ready = self._ready or self._compile()
        self._ready(*arguments)

    def forget(self) -> None:
        """Compile it again, or find it in the cache, when it is next called."""
        self._ready = None

    def _compile(self) -> Callable[..., None]:
        try:
            kept: Callable[..., None] = numba.njit(nogil=True, error_model="numpy", cache=True)(self._function)
            kept(*self._nothing())
        except Exception:
            plain: Callable[..., None] = numba.njit(nogil=True, error_model="numpy")(self._function)
            return plain
        return kept
