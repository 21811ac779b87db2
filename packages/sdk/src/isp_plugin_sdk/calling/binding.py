"""How the parameters of an execute request become a method's arguments.

1. No parameters (null): the method is called without arguments.
2. A list is bound by position.
3. An object whose keys are the method's parameters is bound by keyword.
4. Any other object goes whole to a method that has exactly one parameter (`*args` and `**kwargs` not counted).
5. Everything else is refused with the signature that was expected and what came.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isp_plugin_sdk.calling.errors import ParametersRefusedError

_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a method is called with."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of a bound method, or None where Python cannot tell (a function written in C)."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None


def bind(method: str, signature: inspect.Signature | None, parameters: Any) -> Arguments:
    """The arguments that `parameters` mean for a method; `ParametersRefusedError` with what was expected and what came."""
    candidate = _candidate(method, signature, parameters)
    mistake = _mistake(signature, candidate)
    if mistake is not None:
        raise _refusal(method, signature, _describe(signature, parameters, mistake))
    return candidate


def _candidate(method: str, signature: inspect.Signature | None, parameters: Any) -> Arguments:
    if parameters is None:
        return Arguments()
    if isinstance(parameters, Mapping):
        return _of_object(signature, parameters)
    if isinstance(parameters, Sequence) and not isinstance(parameters, (str, bytes, bytearray)):
        return Arguments(args=tuple(parameters))
    raise _refusal(method, signature, f"expected an object, a list or null, got {_type_name(parameters)}")


def _of_object(signature: inspect.Signature | None, parameters: Mapping[str, Any]) -> Arguments:
    """By keyword where the keys are the method's parameters, else whole to a one-parameter method."""
    by_keyword = Arguments(kwargs=dict(parameters))
    if signature is not None and _mistake(signature, by_keyword) is not None and _single(signature):
        return Arguments(args=(parameters,))
    return by_keyword


def _single(signature: inspect.Signature) -> bool:
    """Whether the method has exactly one parameter, and takes it by position."""
    named = [parameter for parameter in signature.parameters.values() if parameter.kind not in _VARIADIC]
    return len(named) == 1 and named[0].kind is not inspect.Parameter.KEYWORD_ONLY


def _mistake(signature: inspect.Signature | None, arguments: Arguments) -> str | None:
    """Python's own words on why the arguments do not fit, or None."""
    if signature is None:
        return None
    try:
        signature.bind(*arguments.args, **arguments.kwargs)
    except TypeError as error:
        return str(error)
    return None


def _describe(signature: inspect.Signature | None, parameters: Any, mistake: str) -> str:
    """What came, and where an object's key looks like a misspelt parameter, which one was meant."""
    if isinstance(parameters, Mapping):
        names = [
            name
            for name, spec in (signature.parameters if signature else {}).items()
            if spec.kind in _KEYWORD
        ]
        came = (
            f"an object with the keys {', '.join(map(repr, parameters))}" if parameters else "an empty object"
        )
        import difflib  # only where something is wrong: it costs a worker's start

        hints = [
            (key, close[0])
            for key in parameters
            if key not in names and (close := difflib.get_close_matches(key, names, n=1))
        ]
        meant = "".join(f"; did you mean {right!r} instead of {wrong!r}?" for wrong, right in hints)
        return f"{mistake}; got {came}{meant}"
    return f"{mistake}; got {'no parameters' if parameters is None else f'a list of {len(parameters)}'}"


def _refusal(method: str, signature: inspect.Signature | None, reason: str) -> ParametersRefusedError:
    return ParametersRefusedError(method=method, signature=shown(signature), reason=reason)


def shown(signature: inspect.Signature | None) -> str:
    """A signature for people: names and defaults, without annotations."""
    if signature is None:
        return "(...)"
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def _type_name(value: Any) -> str:
    return type(value).__qualname__
