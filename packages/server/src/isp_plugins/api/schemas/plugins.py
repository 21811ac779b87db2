"""Plugins as they are registered, changed and shown."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from isp_plugins.api.schemas.base import (
    LENIENT,
    Input,
    JsonObject,
    JsonValue,
    LongText,
    Name200,
    Output,
    PageQuery,
    Word,
    absent,
    datetime,
)
from isp_plugins.api.schemas.subscriptions import SubscriptionIn
from isp_plugins.contracts.vocabulary import (
    Desired,
    HealthStatus,
    LogLevel,
    Placement,
    PluginType,
    RuntimeKind,
    State,
)
from isp_plugins.lifecycle.directory import SORTS

PluginName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
ModulePath = Annotated[
    str, StringConstraints(max_length=200, pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$")
]
ClassName = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
PluginTypeIn = Annotated[PluginType, LENIENT]
LogLevelIn = Annotated[LogLevel, LENIENT]
RuntimeIn = Annotated[RuntimeKind, LENIENT]
PlacementIn = Annotated[Placement, LENIENT]

EXAMPLE: JsonDict = {
    "name": "my_custom_plugin",
    "display_name": "My Custom Plugin",
    "description": "A custom plugin for demonstration",
    "version": "1.0.0",
    "author": "Your Name",
    "plugin_type": "CUSTOM",
    "module_path": "plugins.my_custom_plugin",
    "entry_point": "MyCustomPlugin",
    "config_schema": {
        "my_setting": {"type": "string", "default": "default_value", "description": "My custom setting"}
    },
}


class DependencyIn(Input):
    """What a plugin needs: another plugin, or a Python package of the host's environment."""

    kind: Literal["plugin", "python"]
    name: Word
    specifier: Name200 = Field(
        default="", description="PEP 440 version specifier like `>=1.2,<2`; empty: any version."
    )
    optional: bool = False


class PluginIn(Input):
    """A plugin to register: the specification's `plugin_data`, its dependencies, and how it is to be run."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    name: PluginName = Field(description="Unique; a lower-case letter, then up to 63 of a-z, 0-9, _ and -.")
    display_name: Word = Field(default_factory=absent, description="For people; left out: the name.")
    description: LongText = ""
    version: Word = Field(description="PEP 440 or semantic version.", examples=["1.0.0"])
    author: Name200 = ""
    plugin_type: PluginTypeIn
    module_path: ModulePath = Field(description="Dotted name of a module on the plugin path.")
    entry_point: ClassName = Field(description="Name of the plugin's class in that module.")
    config_schema: JsonObject = Field(
        default_factory=dict, description="The specification's short form, or JSON Schema 2020-12."
    )
    dependencies: list[DependencyIn] = Field(default_factory=list, max_length=100)
    hooks: list[SubscriptionIn] = Field(default_factory=list, max_length=200)
    runtime: RuntimeIn = Field(
        default=RuntimeKind.IN_PROCESS,
        description="`in_process`: in the host's own process; `process`: in a worker process of its own.",
    )
    placement: PlacementIn = Field(
        default=Placement.PER_NODE,
        description="`per-node`: on every node; `singleton`: on one node at a time, while the others stand by.",
    )
    exclusive: bool = Field(
        default=True,
        description="Cannot live twice: a reload stops the old instance before it starts the new one.",
    )
    trusted_inline: bool = Field(
        default=False,
        description="Its plain methods return quickly and may run on the event loop's own thread.",
    )
    log_level: LogLevelIn = Field(default=LogLevel.INFO, description="At DEBUG every invocation is logged.")


class PluginChangesIn(Input):
    """Fields of a plugin to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"log_level": "DEBUG"}]})

    name: PluginName = Field(
        default_factory=absent, description="A plugin keeps its name; another one is refused."
    )
    display_name: Word = Field(default_factory=absent)
    description: LongText = Field(default_factory=absent)
    version: Word = Field(default_factory=absent)
    author: Name200 = Field(default_factory=absent)
    plugin_type: PluginTypeIn = Field(default_factory=absent)
    module_path: ModulePath = Field(default_factory=absent)
    entry_point: ClassName = Field(default_factory=absent)
    config_schema: JsonObject = Field(default_factory=absent)
    dependencies: list[DependencyIn] = Field(default_factory=absent, max_length=100)
    runtime: RuntimeIn = Field(default_factory=absent)
    placement: PlacementIn = Field(default_factory=absent)
    exclusive: bool = Field(default_factory=absent)
    trusted_inline: bool = Field(default_factory=absent)
    log_level: LogLevelIn = Field(default_factory=absent)


class DependencyOut(Output):
    """A dependency, and whether it is satisfied now."""

    kind: Literal["plugin", "python"]
    name: str
    specifier: str
    optional: bool
    is_satisfied: bool
    found: str | None = Field(description="The version found.")
    problem: str | None = Field(default=None, description="What is missing, and what to do.")


class HealthSummaryOut(Output):
    """How a plugin does, as far as the host knows without asking it."""

    status: HealthStatus
    reasons: list[str]


class GrantOut(Output):
    """One thing that it may do beyond what every plugin may, or a limit that binds it."""

    grant: str = Field(description="Where it stands in the manifest, e.g. `network`.")
    what: str
    meaning: str
    is_weak: bool = Field(description="It opens more than it names.")


class ReleaseOut(Output):
    """What is installed of a plugin."""

    id: int
    version: str
    digest: str = Field(description="`sha256:` and the digest of the wheel.")
    source: JsonObject = Field(description="Where it came from; of git, with the commit.")
    environment: str = Field(description="Key of its environment; plugins with equal locks share one.")
    grants: list[GrantOut] = Field(description="What was accepted that it may do; all else is denied.")
    installed_at: datetime
    installed_by: str


class PluginOut(Output):
    """A plugin: its description, what the operator wants of it (`desired`), and what it is on this node (`state`)."""

    id: int
    name: str
    display_name: str
    description: str
    version: str
    author: str
    plugin_type: PluginType
    module_path: str
    entry_point: str
    config_schema: JsonObject
    runtime: RuntimeKind
    placement: Placement
    release: ReleaseOut | None = Field(
        description="What is installed of it; null for code on the plugin path."
    )
    exclusive: bool
    trusted_inline: bool
    log_level: LogLevel
    desired: Desired
    generation: int = Field(description="Raised by every change; the ETag of the plugin.")
    state: State
    since: datetime = Field(description="When it came into this state.")
    cause: str | None = Field(description="Why it is failed, quarantined or waiting.")
    failures: int = Field(description="Failed tries in a row.")
    retry_at: datetime | None = Field(description="When it is tried again.")
    health: HealthSummaryOut
    dependencies: list[DependencyOut]
    created_at: datetime
    updated_at: datetime


class ExecuteIn(Input):
    """A call of one method of an active plugin."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"method_name": "check_device_status", "parameters": {"id": 7}}]}
    )

    method_name: Word = Field(description="A public method that the plugin's own class defines.")
    parameters: JsonObject | list[JsonValue] = Field(
        default_factory=dict,
        description="An object binds by keyword when its keys are the method's parameters, else goes whole to a one-parameter method; a list binds by position.",
    )


class ExecuteOut(Output):
    """What the method returned."""

    result: JsonValue
    duration_ms: float


class PluginQuery(PageQuery):
    """Filters and order of the list of plugins."""

    name: Name200 | None = Field(default=None, description="Exactly this name.")
    plugin_type: PluginType | None = None
    state: State | None = Field(default=None, description="State on this node.")
    desired: Desired | None = None
    health: HealthStatus | None = None
    author: Name200 | None = Field(default=None, description="Exactly this author.")
    q: Name200 | None = Field(
        default=None,
        description="Only plugins whose name, display name, description or author contains this.",
    )
    sort: Annotated[str, StringConstraints(pattern=f"^-?({'|'.join(SORTS)})$")] | None = Field(
        default=None,
        description="Field to sort by; with a leading minus, descending.",
        examples=["-updated_at"],
    )
