"""Makes a JSON Schema 2020-12 of a payload's TypedDict: it types what the class names, requires nothing and allows more."""

import inspect
import types
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

_SIMPLE: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    types.NoneType: "null",
    dict: "object",
    list: "array",
}


def payload_schema(payload: type) -> dict[str, Any]:
    """The schema of a hook's whole payload."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": payload.__name__,
        **schema_of(payload),
    }


def description_of(payload: type) -> str:
    """A payload class's docstring on one line."""
    return " ".join(inspect.cleandoc(payload.__doc__ or "").split())


def schema_of(annotation: Any) -> dict[str, Any]:
    """The schema of one annotation; a `TypeError` names an annotation that has no JSON form."""
    if annotation is Any:
        return {}
    if is_typeddict(annotation):
        properties = {name: schema_of(hint) for name, hint in get_type_hints(annotation).items()}
        return {"type": "object", "description": description_of(annotation), "properties": properties}
    if annotation in _SIMPLE:
        return {"type": _SIMPLE[annotation]}
    return _generic(annotation)


def _generic(annotation: Any) -> dict[str, Any]:
    """Lists, maps, choices and unions."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict and arguments[0] is str:
        values = schema_of(arguments[1])
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    if origin in {Union, types.UnionType}:
        return _union([schema_of(argument) for argument in arguments])
    raise TypeError(f"expected an annotation with a JSON form, got {annotation!r}")


def _union(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One `type` list where the parts are plain, else `anyOf`; a null joins the type of a single object."""
    plain = [part["type"] for part in parts if set(part) == {"type"}]
    others = [part for part in parts if set(part) != {"type"}]
    if not others:
        return {"type": plain}
    if len(others) == 1 and plain == ["null"] and "type" in others[0]:
        return {**others[0], "type": [others[0]["type"], "null"]}
    return {"anyOf": [*others, *({"type": name} for name in plain)]}
