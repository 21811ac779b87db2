"""The templates that ship: package data under `data/`, read on first use.

1. `data/<template>/template.json` has the template's description, its own variables, and `files`: each target path with the source, or the
   sources to be joined, that make it; `../common/` leads to what several templates share.
2. The variables of `data/common/variables.json` come first; a template's own of the same name stands in its place.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from isp_plugins.templates.definition import Template, Variable

COMMON = "common"


@cache
def shipped() -> Mapping[str, Template]:
    """Every template that ships, by name."""
    data = resources.files("isp_plugins.templates") / "data"
    names = sorted(each.name for each in data.iterdir() if each.is_dir() and each.name != COMMON)
    return {name: _read(data, name) for name in names}


def _read(data: Traversable, name: str) -> Template:
    """One template from its folder."""
    body = json.loads((data / name / "template.json").read_text("utf-8"))
    common = json.loads((data / COMMON / "variables.json").read_text("utf-8"))
    files = json.loads((data / COMMON / "files.json").read_text("utf-8")) | body["files"]
    return Template(
        name=name,
        description=body["description"],
        plugin_type=body["plugin_type"],
        variables=_merged(common, body["variables"]),
        files={target: _text(data, name, sources) for target, sources in files.items()},
    )


def _merged(common: list[dict[str, Any]], own: list[dict[str, Any]]) -> tuple[Variable, ...]:
    """The common variables, each replaced by the template's own of its name, then the rest of the own."""
    by_name = {each["name"]: each for each in common} | {each["name"]: each for each in own}
    return tuple(Variable.of(each) for each in by_name.values())


def _text(data: Traversable, name: str, sources: str | list[str]) -> str:
    """The text that one or several source files make."""
    parts = [sources] if isinstance(sources, str) else sources
    return "\n".join(_source(data, name, part) for part in parts)


def _source(data: Traversable, name: str, part: str) -> str:
    folder, part = (
        (COMMON, part.removeprefix("../common/")) if part.startswith("../common/") else (name, part)
    )
    return (data / folder / part).read_text("utf-8")
