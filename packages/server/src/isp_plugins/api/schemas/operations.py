"""Long work as it is asked for, shown and followed."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.config import JsonDict

from isp_plugins.api.schemas.base import (
    LENIENT,
    Input,
    JsonObject,
    JsonValue,
    Mistake,
    Name200,
    Output,
    PageQuery,
    Word,
    datetime,
)
from isp_plugins.api.schemas.plugins import PluginName
from isp_plugins.lifecycle.orders import SourceType, digest_in
from isp_plugins.operations import OperationState

INSTALL_EXAMPLE: JsonDict = {
    "source_type": "git",
    "source_location": "https://git.example.net/plugins/coverage-map.git",
    "version": "v1.2.0",
    "configuration": {"region": "north"},
    "auto_enable": True,
}


def _digest(text: str) -> str:
    digest_in(text)
    return text


SourceTypeIn = Annotated[SourceType, LENIENT]
Digest = Annotated[str, AfterValidator(_digest)]


class InstallIn(Input):
    """A plugin to install from a source that the server fetches; a file is sent as `multipart/form-data` instead."""

    model_config = ConfigDict(json_schema_extra={"examples": [INSTALL_EXAMPLE]})

    source_type: SourceTypeIn
    source_location: Annotated[str, Field(min_length=1, max_length=2000)] = Field(
        default="",
        description="`git`: the repository's URL. `local`: an absolute path of a folder on the server, below one that the operator allowed. `upload`: none.",
    )
    version: Word | None = Field(
        default=None,
        description="`git`: branch, tag or commit. Else the version that is expected; another one is refused.",
    )
    name: PluginName | None = Field(
        default=None,
        description="The plugin that is expected; a package of another one is refused. A key that is limited to some plugins names one of them.",
    )
    digest: Digest | None = Field(
        default=None,
        description="SHA-256 that the fetched file must have.",
        examples=["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    configuration: JsonObject = Field(
        default_factory=dict, description="Values to configure it with, by key; secrets are stored encrypted."
    )
    auto_enable: bool = Field(
        default=False, description="Enable it at once; if that fails, nothing stays installed."
    )
    accept_grants: bool = Field(
        default=False,
        description="Accept what the plugin's manifest asks for. Without it a plugin that asks for anything is refused, with the list of what it asks for.",
    )


class InstallUploadIn(InstallIn):
    """A plugin to install from a file: the same fields as text (`configuration` as JSON), and `file`, at the end."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"file": "(the package)"}]})

    source_type: SourceTypeIn = SourceType.UPLOAD
    file: Annotated[str, Field(json_schema_extra={"format": "binary"})] = Field(
        description="A wheel, an sdist, a zip of a project folder, or a zip of wheels (a bundle)."
    )


class RollbackIn(Input):
    """The return to a kept release."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to": "1.1.0"}]})

    to: Word | None = Field(
        default=None,
        description="The version to return to; without it, the one that the present took over from, or the last one before it. GET /plugins/{id}/releases lists what is kept.",
    )


class KeptReleaseOut(Output):
    """One release of a plugin that is kept."""

    id: int
    version: str
    digest: str
    source: JsonObject
    environment: str
    installed_at: datetime
    installed_by: str
    is_current: bool
    left_at: datetime | None = Field(
        description="When it was left, with what the plugin held then; it can be returned to."
    )
    left_because: str | None = Field(description="What it did wrong, where it was left for an older one.")
    watched_until: datetime | None = Field(
        description="Until when it goes back by itself, if it does harm; null: it is not watched."
    )


class KeptReleasesOut(Output):
    """Every kept release, the newest first."""

    items: list[KeptReleaseOut]


class StepOut(Output):
    """One step of an operation."""

    name: str
    began: datetime | None
    ended: datetime | None
    detail: str = Field(description="What it does just now, or what came of it.")


class OperationErrorOut(Output):
    """Why an operation did not do what was asked for: a problem document, with the step."""

    type: str = Field(examples=["/problems/resolution-impossible"])
    title: str
    status: int
    detail: str
    step: str | None
    errors: list[Mistake] | None = None


class OperationOut(Output):
    """Long work: what was asked for, how far it is, and how it ended."""

    id: int
    kind: str = Field(examples=["install"])
    subject: str = Field(description="What it is about: a plugin's name, once that is known.")
    state: OperationState
    steps: list[StepOut]
    progress: float = Field(ge=0, le=1)
    actor: JsonObject = Field(description="Who asked: `{type, id, name, source}`.")
    request: JsonObject = Field(description="What was asked for, without any secret.")
    result: JsonValue | None
    error: OperationErrorOut | None
    node: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class OperationQuery(PageQuery):
    """Filters of the list of operations."""

    kind: Name200 | None = None
    state: OperationState | None = None
    subject: Name200 | None = Field(default=None, description="Exactly this subject, like a plugin's name.")


class PlannedPartOut(Output):
    """What would become of one part of a plugin."""

    part: str
    action: str = Field(description="`keep`, `drop`, or `shared` with another plugin.")
    count: int
    detail: str


class UninstallPlanOut(Output):
    """What an uninstallation would do."""

    plugin_id: int
    plugin: str
    version: str
    state: str
    needed_by: list[str] = Field(description="Enabled plugins that require it, directly or through others.")
    parts: list[PlannedPartOut]


class KeptPluginOut(Output):
    """An uninstalled plugin of which something is kept."""

    id: int
    name: str
    version: str = Field(description="The version that was uninstalled.")
    uninstalled_at: datetime
    configuration_keys: int
    storage_keys: int


class KeptPluginDetailOut(KeptPluginOut):
    """An uninstalled plugin with what is kept of it."""

    configuration: JsonObject
    secrets: list[str] = Field(description="Keys of secrets; their values are never shown.")
    storage: list[str] = Field(description="Keys of stored values, the first 100.")


class KeptPluginsOut(Output):
    """Everything that is kept."""

    items: list[KeptPluginOut]


class ExportOut(Output):
    """A plugin as one document, without its secrets' values."""

    exported_at: datetime
    plugin: JsonObject
    configuration: JsonObject
    secrets: list[str] = Field(description="Keys of secrets; their values are never shown.")
    hooks: list[Any]
    storage: JsonObject
