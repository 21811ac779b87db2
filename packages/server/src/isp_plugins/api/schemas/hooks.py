"""Hooks as the host knows them, their chains, and dispatches."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from isp_plugins.api.schemas.base import (
    Input,
    JsonObject,
    JsonValue,
    Name200,
    Output,
    PageQuery,
    Switch,
    datetime,
)
from isp_plugins.api.schemas.breaker import BreakerOut
from isp_plugins.contracts.vocabulary import (
    BindingStatus,
    DispatchStatus,
    FailurePolicy,
    HookKind,
    OutcomeStatus,
    SkipReason,
    SubscriptionType,
)


class HookOut(Output):
    """A hook in the list: its contract in short, and how many subscribe to it."""

    name: str
    kind: HookKind
    domain: str
    description: str
    veto: bool = Field(description="A subscriber may reject the dispatch.")
    after_the_fact: bool = Field(
        description="It has happened already: no subscriber's failure reaches the caller."
    )
    internal: bool = Field(description="Only the host dispatches it.")
    known: bool = Field(description="In the catalogue; false: the ISP's own.")
    deadline_ms: int
    subscriptions: int


class CountersOut(Output):
    """What happened to one subscription since this node started; durations in milliseconds, of the calls that were timed."""

    calls: int
    errors: int
    rejects: int
    timeouts: int
    queued: int
    skips: dict[str, int] = Field(description="How often it was skipped, by reason.")
    last_error: str | None
    last_run: datetime | None
    sampled: int = Field(description="How many calls were timed.")
    mean_ms: float | None
    max_ms: float | None


class ChainEntryOut(Output):
    """One subscription at its place in the chain."""

    subscription_id: int
    plugin_id: int
    plugin: str
    method: str
    type: SubscriptionType
    priority: int
    condition: str | None
    timeout_ms: int | None
    failure_policy: FailurePolicy
    is_active: bool
    own_echo: bool
    binding: BindingStatus
    mode: str | None = Field(
        description="How it is called: inline, thread or async; null while its plugin does not run."
    )
    breaker: BreakerOut = Field(description="Its plugin's circuit breaker.")
    runs: bool
    skip_reason: SkipReason | None = Field(description="Why it would not run now, whatever the payload.")
    counters: CountersOut


class HookDetailOut(HookOut):
    """A hook's whole contract, and the chain as it would run now."""

    payload_schema: JsonObject = Field(
        alias="schema", description="JSON Schema 2020-12 of the payload (of the value, for a filter)."
    )
    sample: JsonValue
    mutable: list[str] | None = Field(description="Top-level fields a filter may change; null: all.")
    key: str | None = Field(description="The payload field that orders this hook's events.")
    fail_closed: bool
    tmf: str | None = Field(description="The event of TM Forum's APIs that maps to it.")
    uisp: str | None
    whmcs: str | None
    chain: list[ChainEntryOut]


class HookQuery(PageQuery):
    """Filters of the list of hooks."""

    q: Name200 | None = Field(default=None, description="Only hooks whose name or description contains this.")
    domain: Name200 | None = None
    kind: HookKind | None = None
    subscribed: Switch | None = Field(
        default=None, description="Only hooks that somebody (true) or nobody (false) subscribes to."
    )


class DispatchIn(Input):
    """A dispatch: the payload (for a filter, the value) and what the caller adds."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"payload": {"id": 7, "name": "Ada", "kind": "home"}}]}
    )

    payload: JsonValue
    context: JsonObject | None = Field(
        default=None, description="Seen by conditions as `context`, and by plugins."
    )


class OutcomeErrorOut(Output):
    """What a subscription raised."""

    type: str
    message: str


class OutcomeOut(Output):
    """What became of one subscription."""

    subscription_id: int
    plugin_id: int
    plugin: str
    method: str
    type: SubscriptionType
    priority: int
    status: OutcomeStatus
    skip_reason: SkipReason | None
    value: JsonValue
    error: OutcomeErrorOut | None
    duration_ms: float | None = Field(
        description="When it was measured: traced, sampled, or run in a thread."
    )


class DispatchOut(Output):
    """How a dispatch ended; a rejected, stopped or overdue one answers 200 too."""

    hook: str
    status: DispatchStatus
    request_id: str
    known: bool
    value: JsonValue = Field(description="The payload, for a filter as the last subscription left it.")
    reason: str | None
    duration_ms: float | None
    subscriptions: list[OutcomeOut]


EventType = Annotated[str, StringConstraints(pattern=r"^isp\.[a-z][a-z0-9_]{0,99}\.v1$")]


class CloudEventIn(Input):
    """A CloudEvent 1.0 in structured mode; extension attributes are allowed."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "specversion": "1.0",
                    "type": "isp.customer_created.v1",
                    "source": "/billing",
                    "id": "a-1",
                    "data": {"id": 7, "name": "Ada"},
                }
            ]
        },
    )

    specversion: Annotated[str, StringConstraints(pattern=r"^1\.0$")]
    type: EventType
    source: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    data: JsonValue
