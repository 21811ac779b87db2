"""Which methods of a plugin may be called by name, and how.

1. Public methods that the plugin's own class defines: itself, its bases below `PluginInterface`, and mixins of the plugin's own code
   (those below `root`, the outermost package of its module).
   What a library's class brings along (`threading.Thread.start`) is not the plugin's.
2. Never what belongs to the lifecycle, what `PluginInterface` defines, names with a leading underscore, properties and class attributes.
3. A hook's method takes exactly one positional argument, and is no generator: calling that runs nothing.
4. `async def` is awaited on the loop; `def` runs in a thread, or inline where the operator trusts the plugin. A `def` that is known
   to return something to await (by what it wraps, or by its annotation) is called and awaited on the loop.
"""

import collections.abc
import inspect
import typing
from collections.abc import Callable, Coroutine
from functools import partialmethod
from typing import Any

from isp_plugin_sdk.calling.binding import shown, signature_of
from isp_plugin_sdk.calling.errors import ArityRefusedError, MethodRefusedError
from isp_plugin_sdk.plugin import LIFECYCLE_METHODS, PluginInterface

_AWAITABLES = (collections.abc.Awaitable, collections.abc.Coroutine)


def public_methods(cls: type, root: str) -> tuple[str, ...]:
    """Names of the methods that may be called, in order."""
    names = {name for base in _own_classes(cls, root) for name in vars(base)}
    return tuple(sorted(name for name in names if _refusal(cls, root, name) is None))


def bound_method(instance: PluginInterface, root: str, name: str) -> Callable[..., Any]:
    """The named method of an instance; `MethodRefusedError` with the reason and the methods there are."""
    cls = type(instance)
    reason = _refusal(cls, root, name)
    if reason is not None:
        raise MethodRefusedError(
            method=name, plugin=cls.__name__, reason=reason, choices=_choices(cls, root, name)
        )
    method: Any = getattr(instance, name)
    if not callable(method):
        reason = f"an attribute of the instance, of type {type(method).__qualname__}, hides it"
        raise MethodRefusedError(
            method=name, plugin=cls.__name__, reason=reason, choices="Rename one of them"
        )
    return method  # type: ignore[no-any-return]  # callable, as just seen


def payload_method(instance: PluginInterface, root: str, name: str) -> Callable[[Any], Any]:
    """The named method, which takes exactly one payload; `MethodRefusedError` or `ArityRefusedError` where there is none.

    A coroutine function where it is to be awaited on a loop, also where only what it wraps or its annotation says so.
    """
    method = bound_method(instance, root, name)
    signature = signature_of(method)
    if signature is not None and not takes_one(signature):
        raise ArityRefusedError(method=name, plugin=type(instance).__name__, signature=shown(signature))
    if inspect.iscoroutinefunction(method) or not _returns_awaitable(method):
        return method
    return _awaiting(method)


def refused_methods(cls: type, root: str) -> dict[str, str]:
    """Names of a class that may not be called, each with the reason, beside what no plugin's class may (rule 2)."""
    base_names = LIFECYCLE_METHODS | set(dir(PluginInterface))
    names = {
        name for base in cls.__mro__[:-1] for name in vars(base) if not name.startswith("_")
    } - base_names
    refused = {name: _refusal(cls, root, name) for name in sorted(names)}
    return {name: reason for name, reason in refused.items() if reason is not None}


def _refusal(cls: type, root: str, name: str) -> str | None:
    """Why a name may not be called, or None."""
    if name in LIFECYCLE_METHODS:
        return "it belongs to the plugin's lifecycle, only the host calls it"
    if name.startswith("_"):
        return "names with a leading underscore are private"
    if hasattr(PluginInterface, name):
        return "it belongs to PluginInterface"
    owner = next((base for base in cls.__mro__ if name in vars(base)), None)
    if owner is None:
        return "there is no such method"
    if owner not in _own_classes(cls, root):
        return f"it comes from {owner.__module__}.{owner.__qualname__}, not from the plugin's own class"
    return _refusal_of_kind(vars(owner)[name])


def _refusal_of_kind(attribute: Any) -> str | None:
    """Why something that stands in a class is no method to be called, or None."""
    if isinstance(attribute, property):
        return "it is a property"
    if isinstance(attribute, (staticmethod, classmethod)):
        attribute = attribute.__func__
    elif not isinstance(attribute, partialmethod) and (
        isinstance(attribute, type) or not callable(attribute) or not hasattr(type(attribute), "__get__")
    ):
        return f"it is a class attribute of type {type(attribute).__qualname__}, not a method"
    function = inspect.unwrap(attribute) if callable(attribute) else attribute
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "it is a generator: calling it would run nothing"
    return None


def _own_classes(cls: type, root: str) -> tuple[type, ...]:
    """The classes whose methods are the plugin's own (rule 1)."""
    below = cls.__mro__[: cls.__mro__.index(PluginInterface)]
    return tuple(
        base
        for base in below
        if issubclass(base, PluginInterface) or base.__module__.partition(".")[0] == root
    )


def _choices(cls: type, root: str, name: str) -> str:
    """What could have been meant."""
    import difflib  # only where something is wrong: it costs a worker's start

    names = public_methods(cls, root)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"Perhaps you mean {close[0]}"
    return f"Its methods are: {', '.join(names)}" if names else "It defines no public methods"


def takes_one(signature: inspect.Signature) -> bool:
    """Whether a method can be called with one argument by position."""
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _returns_awaitable(method: Callable[..., Any]) -> bool:
    """Whether a plain function says that it returns something to await."""
    if inspect.iscoroutinefunction(inspect.unwrap(method)):
        return True
    try:
        annotation = typing.get_type_hints(method).get("return")
    except Exception:  # annotations are the author's and may name anything; they are only a hint
        return False
    return (typing.get_origin(annotation) or annotation) in _AWAITABLES


def _awaiting(method: Callable[..., Any]) -> Callable[[Any], Coroutine[Any, Any, Any]]:
    """A coroutine function around a plain one that returns something to await."""

    async def call(payload: Any) -> Any:
        result = method(payload)
        return await result if inspect.isawaitable(result) else result

    return call
