"""Modules that are imported when one of their functions is first called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["put_off"]


def put_off(name: str) -> None:
    """Have `from NAME import function` cost nothing: the module is imported when the function is called.

    A module that is not installed, or is imported already, is left as it is. Only for modules of which functions are
    wanted: everything that is taken from it looks like one.
    """
    if name not in sys.modules and find_spec(name) is not None:
        sys.modules[name] = _Later(name)


class _Later(ModuleType):
    """Stands in for a module until a function of it is called."""

    def __getattr__(self, attribute: str) -> Callable[..., Any]:
        if attribute.startswith("__"):
            raise AttributeError(attribute)

        def function(*args: Any, **kwargs: Any) -> Any:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
            return getattr(import_module(self.__name__), attribute)(*args, **kwargs)

        return function
