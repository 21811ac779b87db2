"""docs/hooks.md: every hook that the host knows, with its policies, its payload's fields and a sample."""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from isp_plugins.contracts.hooks import HookSpec
from isp_plugins.contracts.vocabulary import HookKind
from isp_plugins.hooks.catalogue import CATALOGUE

PAGE = "docs/hooks.md"
SHARED = ("org_id", "actor", "reason")
HEAD = """# Hooks

The hooks that the host knows by name. This page is generated from the code (`python tools/generate_docs.py hooks`);
`GET /api/v1/hooks/{name}` shows the same with the whole JSON Schema, and the chain as it would run now.
[hook_catalogue.md](hook_catalogue.md) is the table that the code is held to.

- An **action** hook takes `action` and `event` subscriptions; a **filter** hook takes `filter` and `event` ones.
- **after the fact**: it has happened already; nobody can veto it and no subscriber's failure reaches the caller.
- **veto**: a filter may raise `Reject(reason)`.
- **fails closed**: a failing filter stops the dispatch; otherwise it fails open: the value stays as it was.
- **internal**: only the host dispatches it.
- **may change**: the fields that a filter may change; others are restored.
- **ordered by**: events with the same value of this field are delivered in order.

Payloads type what they name, require nothing and allow more. Each may also carry `org_id`, `actor` `{type, id, plugin}` and `reason`.
The subject's own id is `id`; other objects are `<object>_id`. Money is a whole number of minor units beside an ISO 4217 `currency`.
A hook that is not listed is allowed, the ISP's own: it is an action with any payload and a deadline of 5 s, or a filter once its first
`filter` subscription is made.
"""


def render() -> str:
    """The whole page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield HEAD
    for domain, specs in groupby(CATALOGUE.values(), key=lambda spec: spec.domain):
        listed = list(specs)
        yield f"## {domain}\n"
        yield "| hook | kind | deadline | TM Forum | UISP | WHMCS |"
        yield "| --- | --- | --- | --- | --- | --- |"
        yield from (_row(spec) for spec in listed)
        yield ""
        for spec in listed:
            yield from _section(spec)


def _row(spec: HookSpec) -> str:
    others = (other or "-" for other in (spec.tmf, spec.uisp, spec.whmcs))
    cells = (f"[{spec.name}](#{spec.name})", _kind(spec), f"{spec.deadline_ms:,} ms", *others)
    return f"| {' | '.join(cells)} |"


def _kind(spec: HookSpec) -> str:
    flags = {
        "veto": spec.veto,
        "fails closed": spec.fail_closed,
        "after the fact": spec.after_the_fact,
        "internal": spec.internal,
    }
    return ", ".join([str(spec.kind), *(name for name, present in flags.items() if present)])


def _section(spec: HookSpec) -> Iterator[str]:
    yield f"### {spec.name}\n"
    yield f"{spec.description}\n"
    if spec.kind is HookKind.FILTER:
        yield f"May change: {', '.join(f'`{name}`' for name in spec.mutable or ()) or 'nothing'}.\n"
    if spec.key is not None:
        yield f"Ordered by: `{spec.key}`.\n"
    fields = {name: field for name, field in spec.schema["properties"].items() if name not in SHARED}
    yield "\n".join(f"- `{name}`: {_type(field)}" for name, field in fields.items()) + "\n"
    yield f"```json\n{_sample(spec.sample)}\n```\n"


def _type(field: Mapping[str, Any]) -> str:
    """A schema in words."""
    if "enum" in field:
        return "one of " + ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    kinds = field.get("type", "any value")
    names = [kinds] if isinstance(kinds, str) else kinds
    words = [
        _object(field) if name == "object" else _list(field) if name == "array" else str(name)
        for name in names
    ]
    return " or ".join(words)


def _object(field: Mapping[str, Any]) -> str:
    if "properties" in field:
        return "object {" + ", ".join(f"`{name}`" for name in field["properties"]) + "}"
    values = field.get("additionalProperties")
    return f"object of {_type(values)}" if values else "object"


def _list(field: Mapping[str, Any]) -> str:
    items = field.get("items")
    return f"list of {_type(items)}" if items else "list"


def _sample(sample: Mapping[str, Any]) -> str:
    """JSON with one line a field."""
    lines = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in sample.items()
    )
    return f"{{\n{lines}\n}}"
