"""A template as a value: its files, the variables that they use, and how both are written down as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Origin(StrEnum):
    """Where a template comes from."""

    SHIPPED = "shipped"
    """Comes with the product; nobody changes it."""
    OWN = "own"
    """An operator added it."""


class VariableKind(StrEnum):
    """What a variable's value must be fit for, beyond its pattern."""

    TEXT = "text"
    """One line of text."""
    PACKAGE = "package"
    """The name of a plugin that is also its Python package: nothing that Python, its library or its tests use themselves."""
    CLASS = "class"
    """The name of a Python class."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One thing that whoever starts a plugin decides."""

    name: str
    description: str = ""
    default: str | None = None
    """Jinja2 text over the variables listed before; None: a value must be given."""
    pattern: str | None = None
    """A Python regular expression that the whole value matches."""
    kind: VariableKind = VariableKind.TEXT

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is None

    def to_dict(self) -> dict[str, Any]:
        """The variable as JSON."""
        return asdict(self)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Variable":
        """The variable that a JSON object describes; what it does not say has its default."""
        known = {
            name: value[name]
            for name in ("name", "description", "default", "pattern")
            if value.get(name) is not None
        }
        return cls(**known, kind=VariableKind(value.get("kind") or VariableKind.TEXT))


@dataclass(frozen=True, slots=True)
class Template:
    """What a plugin is started from."""

    name: str
    description: str
    plugin_type: str
    variables: tuple[Variable, ...]
    files: Mapping[str, str]
    """`{path: text}`, both Jinja2; a path that renders to nothing leaves its file out."""

    def to_dict(self) -> dict[str, Any]:
        """The template as JSON."""
        return {
            "name": self.name,
            "description": self.description,
            "plugin_type": self.plugin_type,
            "variables": [variable.to_dict() for variable in self.variables],
            "files": dict(self.files),
        }

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> "Template":
        """The template that a JSON object describes."""
        return cls(
            name=value["name"],
            description=value["description"],
            plugin_type=value["plugin_type"],
            variables=tuple(Variable.of(each) for each in value["variables"]),
            files=dict(value["files"]),
        )
