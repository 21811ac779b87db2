"""Templates as they are made, changed, shown and rendered."""

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from isp_plugins.api.schemas.base import (
    LENIENT,
    Input,
    JsonObject,
    Name200,
    Output,
    PageQuery,
    absent,
    datetime,
)
from isp_plugins.api.schemas.plugins import PluginTypeIn
from isp_plugins.contracts.vocabulary import PluginType
from isp_plugins.templates import limits
from isp_plugins.templates.definition import Origin, VariableKind

TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
VariableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Description = Annotated[str, StringConstraints(max_length=limits.MAX_DESCRIPTION_CHARACTERS)]
Default = Annotated[str, StringConstraints(max_length=limits.MAX_VALUE_CHARACTERS)]
Pattern = Annotated[str, StringConstraints(max_length=limits.MAX_PATTERN_CHARACTERS)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=limits.MAX_VALUE_CHARACTERS)]
Kind = Annotated[VariableKind, LENIENT]

EXAMPLE: JsonDict = {
    "name": "our-notifier",
    "description": "A notifier the way we write them",
    "plugin_type": "COMMUNICATION",
    "variables": [
        {"name": "name", "kind": "package", "description": "Name of the plugin and of its package"},
        {"name": "class_name", "kind": "class", "default": "{{ name | pascal }}Plugin"},
    ],
    "files": {
        "{{ name }}/__init__.py": "from .plugin import {{ class_name }}\n",
        "{{ name }}/plugin.py": "from app.services.plugin_service import PluginInterface\n\n\nclass {{ class_name }}(PluginInterface):\n    pass\n",
    },
}


class VariableIn(Input):
    """One thing that whoever starts a plugin decides."""

    name: VariableName
    description: Description = ""
    default: Default | None = Field(
        default=None, description="Jinja2 over the variables listed before; null: a value must be given."
    )
    pattern: Pattern | None = Field(
        default=None, description="A Python regular expression that the whole value matches."
    )
    kind: Kind = Field(
        default=VariableKind.TEXT, description="What the value must be fit for, beyond its pattern."
    )


class VariableOut(Output):
    """One variable of a template."""

    name: str
    description: str
    default: str | None
    pattern: str | None
    kind: VariableKind
    required: bool = Field(description="Has no default.")


Variables = Annotated[list[VariableIn], Field(max_length=limits.MAX_VARIABLES)]
Files = Annotated[
    dict[Path, str],
    Field(
        min_length=1,
        max_length=limits.MAX_FILES,
        description="`{path: text}`, both Jinja2; a path that renders to nothing leaves its file out.",
    ),
]


class TemplateIn(Input):
    """A template to add."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: TemplateName
    description: Description = ""
    plugin_type: PluginTypeIn
    variables: Variables = Field(default_factory=list)
    files: Files


class TemplateChangesIn(Input):
    """Fields of a template to change, each as a whole; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "A notifier, our way"}]})

    description: Description = Field(default_factory=absent)
    plugin_type: PluginTypeIn = Field(default_factory=absent)
    variables: Variables = Field(default_factory=absent)
    files: Files = Field(default_factory=absent)


class TemplateSummaryOut(Output):
    """A template in a list."""

    name: str
    description: str
    plugin_type: PluginType
    origin: Origin = Field(description="`shipped` with the product, or an operator's `own`.")
    variables: list[VariableOut]
    created_at: datetime | None = Field(description="Null: it ships.")
    updated_at: datetime | None


class TemplateOut(TemplateSummaryOut):
    """A template with its files."""

    files: dict[str, str]


class TemplateQuery(PageQuery):
    """Filters of the list of templates."""

    q: Name200 | None = Field(
        default=None, description="Only templates whose name or description contains this."
    )
    plugin_type: PluginType | None = None
    origin: Origin | None = None


class RenderFormat(StrEnum):
    """How rendered files are handed over."""

    JSON = "json"
    """An object of paths and texts."""
    ZIP = "zip"
    """A zip, all files under one folder."""


class RenderQuery(Input):
    """How the answer shall look."""

    format: Annotated[RenderFormat, LENIENT] = Field(
        default=RenderFormat.JSON, description="`json`: the files as an object; `zip`: an archive."
    )


class RenderIn(Input):
    """The variables to render a template with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"variables": {"name": "acme_pay"}}]})

    variables: JsonObject = Field(default_factory=dict, description="`{name: text}`.")


class RenderOut(Output):
    """The files of a plugin to be."""

    template: str
    files: dict[str, str]
