"""What a host demands of a plugin, checked without calling it: its methods, its payloads, what it returns."""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from isp_plugin_sdk.errors import NotJsonError
from isp_plugin_sdk.hooks import Declaration
from isp_plugin_sdk.plugin import LIFECYCLE_METHODS, PluginInterface
from isp_plugin_sdk.testing.errors import BindingError, MethodError, PayloadMutatedError, ReturnValueError
from isp_plugin_sdk.values import below, json_copy


def method_of(plugin: PluginInterface, name: str) -> Callable[..., Any]:
    """A method that a host may call by name; `MethodError` where it may not."""
    found = getattr(plugin, name, None)
    if name in LIFECYCLE_METHODS or hasattr(PluginInterface, name):
        raise MethodError(method=name, problem="only the host itself calls lifecycle methods")
    if name.startswith("_") or not callable(found):
        there = [
            one for one in dir(type(plugin)) if not one.startswith("_") and not hasattr(PluginInterface, one)
        ]
        raise MethodError(
            method=name, problem=f"expected a public method, one of: {', '.join(there) or 'none'}"
        )
    return found  # type: ignore[no-any-return]  # callable() has looked


def check_bindings(plugin: PluginInterface, hooks: Iterable[Declaration]) -> None:
    """See that every hook's method exists and takes one payload; `BindingError` with all that do not."""
    mistakes = [
        f"{hook.hook}: {mistake}" for hook in hooks for mistake in _binding_mistakes(plugin, hook.method)
    ]
    if mistakes:
        raise BindingError(problem="; ".join(mistakes))


def _binding_mistakes(plugin: PluginInterface, name: str) -> Iterator[str]:
    """Why a method cannot be a hook's."""
    try:
        signature = inspect.signature(method_of(plugin, name))
        signature.bind({})
    except MethodError as error:
        yield str(error)
    except TypeError:
        yield f"{name}{signature} must take exactly one argument, the payload"


def check_not_mutated(method: str, before: Any, after: Any) -> None:
    """See that a payload is as it was; `PayloadMutatedError` names the first difference."""
    difference = _difference(before, after, "")
    if difference:
        path, was, now = difference
        raise PayloadMutatedError(method=method, path=path or "its root", before=was, after=now)


def checked_result(method: str, value: Any) -> Any:
    """A copy of what a method returned, where it is a JSON value; else `ReturnValueError`."""
    try:
        return json_copy(value, "the result")
    except NotJsonError as error:
        raise ReturnValueError(method=method, problem=str(error)) from None


def private(payload: Any) -> Any:
    """A copy that a plugin may keep or change without anybody noticing."""
    return json_copy(payload, "the payload")


def _difference(before: Any, after: Any, path: str) -> tuple[str, str, str] | None:
    """Where two JSON values first differ, and both sides as text."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            if key not in after or key not in before:
                return below(path, key), _shown(before, key), _shown(after, key)
            if found := _difference(before[key], after[key], below(path, key)):
                return found
        return None
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return next(
            (
                found
                for index, (one, other) in pairs
                if (found := _difference(one, other, below(path, index)))
            ),
            None,
        )
    same = type(before) is type(after) and before == after
    return None if same else (path, repr(before), repr(after))


def _shown(values: dict[str, Any], key: str) -> str:
    """A member as text, or that it is not there."""
    return json.dumps(values[key], default=repr) if key in values else "nothing"
