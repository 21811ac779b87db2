"""docs/settings.md: every setting of the server, with its variable, default, bounds and meaning."""

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

from isp_plugins.settings import Settings
from isp_plugins.settings.values import variable_of

PAGE = "docs/settings.md"
INTRODUCTION = """# Settings

Written by `tools/generate_docs.py settings` from `isp_plugins.settings`; do not edit.

The server reads these environment variables at start; command-line options of the same name (`--port`, `--data-dir`) win over
them. An unknown `ISP_PLUGINS_*` variable or a bad value stops the start, with all mistakes listed together."""
TABLE = """
| variable | default | values | meaning |
| --- | --- | --- | --- |"""


def render() -> str:
    """The page."""
    return "\n".join([INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    specs = {spec.name: spec for spec in dataclasses.fields(Settings)}
    for group in (Settings, *reversed(Settings.__bases__)):
        title = "The server itself" if group is Settings else (group.__doc__ or "").removesuffix(".")
        yield f"\n## {title}\n{TABLE}"
        yield from _rows([specs[name] for name in inspect.get_annotations(group)])


def _rows(specs: list[dataclasses.Field[Any]]) -> Iterator[str]:
    for spec in specs:
        cells = (f"`{variable_of(spec.name)}`", _default(spec.default), _values(spec), spec.metadata["doc"])
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(default: Any) -> str:
    return "(unset)" if default is None else f"`{default}`"


def _values(spec: dataclasses.Field[Any]) -> str:
    low, high, pattern = (spec.metadata[key] for key in ("low", "high", "pattern"))
    if pattern is not None:
        return f"`{pattern}`"
    kind = {"int": "whole number", "float": "number"}.get(getattr(spec.type, "__name__", ""), "text")
    bounds = [f"from {low:g}"] if low is not None else []
    bounds += [f"to {high:g}"] if high is not None else []
    return " ".join([kind, *bounds])
