"""What is written down: API keys, audit entries, plugin logs; and who the caller is."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from isp_plugins.access import KeyStatus
from isp_plugins.api.schemas.base import (
    HookName,
    Id,
    Input,
    JsonObject,
    Moment,
    Name200,
    Output,
    PageQuery,
    Switch,
    Word,
    datetime,
)
from isp_plugins.api.schemas.plugins import PluginName
from isp_plugins.audit import AuditOutcome
from isp_plugins.contracts.vocabulary import LogLevel


class KeyIn(Input):
    """An API key to create."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "billing", "role": "caller", "hooks": ["customer_created"]}]}
    )

    name: Word = Field(description="Who or what will use it.")
    role: Word = Field(description="caller, viewer, operator, developer or admin.", examples=["caller"])
    plugins: Annotated[list[PluginName], Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Limit it to these plugins; null: all."
    )
    hooks: Annotated[list[HookName], Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="Limit it to these hooks; null: all."
    )
    expires_at: Moment | None = Field(default=None, description="When it ends; null: never.")


class KeyOut(Output):
    """An API key; its token is never shown again."""

    id: int
    name: str
    token_hint: str = Field(description="The first characters of the token, to tell keys apart.")
    role: str
    status: KeyStatus
    plugins: list[str] | None
    hooks: list[str] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewKeyOut(KeyOut):
    """A key just created: the only time that its token is shown."""

    token: str


class MeOut(Output):
    """Who the server takes you for, and what you may do."""

    key_id: str
    name: str
    role: str
    scopes: list[str]
    plugins: list[str] | None = Field(description="The plugins this key is limited to; null: all.")
    hooks: list[str] | None = Field(description="The hooks this key is limited to; null: all.")


class LogOut(Output):
    """One record of a plugin's log."""

    id: int
    at: datetime
    node: str
    plugin_id: int
    plugin_name: str
    level: str
    message: str
    hook: str | None
    method: str | None
    request_id: str | None
    duration_ms: float | None
    traceback: str | None


class LogFilterQuery(BaseModel):
    """Filters of the plugin logs; all that are given must hold."""

    model_config = ConfigDict(extra="forbid")

    level: LogLevel | None = Field(default=None, description="This level and above.")
    only_level: LogLevel | None = Field(default=None, description="This level and no other.")
    plugin_id: Id | None = None
    plugin_name: Name200 | None = Field(
        default=None, description="The name in the plugin's newest record; finds deleted plugins too."
    )
    hook: Name200 | None = None
    method: Name200 | None = Field(
        default=None, description="The plugin's method that was called, or that logged."
    )
    request_id: Name200 | None = None
    node: Name200 | None = None
    since: Moment | None = Field(default=None, description="From this moment on.")
    until: Moment | None = Field(default=None, description="Up to this moment.")
    min_duration_ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Only calls that took at least so long, in milliseconds."
    )
    has_traceback: Switch | None = Field(
        default=None, description="Only records with a traceback, or without."
    )
    q: Name200 | None = Field(default=None, description="Only messages and tracebacks that contain this.")


class LogQuery(LogFilterQuery, PageQuery):
    """Filters of the plugin logs, and which page."""


class LogStreamQuery(LogFilterQuery):
    """What is followed, and how many older records come first."""

    tail: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0,
        description="So many of the newest records come first; not with `since` or `Last-Event-ID`.",
    )


class LogUsageOut(Output):
    """What is kept, was lost and was deleted of one plugin's log."""

    plugin_id: int
    plugin_name: str
    records: int = Field(description="How many are kept now.")
    bytes: int = Field(description="What they hold, about.")
    written: int = Field(description="How many were ever stored.")
    dropped: int = Field(description="How many were lost before they could be stored.")
    deleted_by_age: int
    deleted_by_size: int


class LogLimitsOut(Output):
    """How much is kept; 0: no limit."""

    days: float
    records: int = Field(description="Of one plugin.")
    bytes: int = Field(description="Of all plugins together.")


class LogUsagesOut(Output):
    """What is kept, was lost and was deleted of every plugin's log."""

    items: list[LogUsageOut] = Field(description="Every plugin that ever logged, deleted ones too.")
    limits: LogLimitsOut
    waiting: int = Field(description="Records that wait on this node to be stored.")
    dropped: int = Field(description="Records that this node lost since its start.")
    followers: int = Field(description="Readers that follow the logs on this node.")


class AuditEntryOut(Output):
    """One thing that somebody did, or tried to do."""

    id: int
    node: str
    sequence: int
    at: datetime
    tag: str
    outcome: str
    actor_type: str
    actor_id: str
    actor_name: str
    source: str | None
    request_id: str | None
    subject_type: str
    subject_id: str
    details: JsonObject


class AuditQuery(PageQuery):
    """Filters of the audit trail."""

    tag: Name200 | None = Field(
        default=None,
        description="Only this tag, or everything under its first word.",
        examples=["plugin.enabled"],
    )
    actor: Name200 | None = Field(default=None, description="Only what this actor did (its id or name).")
    subject: Name200 | None = Field(
        default=None, description="Only about this kind of subject, or this one.", examples=["plugin/3"]
    )
    outcome: AuditOutcome | None = None
    since: Moment | None = Field(default=None, description="From this moment on.")
    until: Moment | None = Field(default=None, description="Before this moment.")


class FindingOut(Output):
    """One place where the chain does not hold."""

    node: str
    sequence: int | None
    kind: str
    problem: str


class VerificationOut(Output):
    """Whether the audit trail is as it was written."""

    intact: bool
    checked: int
    findings: list[FindingOut]


class RotationOut(Output):
    """How many secrets are encrypted with the newest key now."""

    rotated: int
    key_id: str


class LivenessOut(Output):
    """That the server works (`alive`), and whether it reaches its database."""

    status: str
    node: str = Field(description="Name of the node that answers.")
    is_cut_off: bool = Field(
        description="It cannot reach the database: it serves what it has, and refuses changes."
    )
    cut_off_since: datetime | None


class ReadinessOut(Output):
    """That the server can do its work (`ready`)."""

    status: str


class ProblemKindOut(Output):
    """One kind of problem."""

    type: str
    slug: str
    title: str
    status: int
    meaning: str = Field(description="The message, `{field}` standing for a value.")
