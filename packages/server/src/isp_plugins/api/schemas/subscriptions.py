"""Subscriptions: one plugin method bound to one hook (`hooks` of a plugin in the API)."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from isp_plugins.api.schemas.base import LENIENT, HookName, Input, LongText, Output, absent, datetime
from isp_plugins.contracts.vocabulary import BindingStatus, FailurePolicy, SubscriptionType

Method = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Condition = Annotated[str, StringConstraints(max_length=4000)]
Priority = Annotated[int, Field(ge=1, le=1000, description="1 to 1000; smaller runs first.")]
Timeout = Annotated[
    int,
    Field(ge=1, le=600_000, description="Own deadline of one call, in milliseconds, within the dispatch's."),
]
Type = Annotated[SubscriptionType, LENIENT]
Policy = Annotated[FailurePolicy, LENIENT]

EXAMPLE: JsonDict = {
    "hook_name": "customer_created",
    "hook_type": "action",
    "callback_method": "process_customer_event",
    "priority": 100,
    "description": "Process customer creation events",
}


class RetryIn(Input):
    """How an event subscription is tried again after a failure."""

    min_s: float = Field(
        default=1.0, ge=0.001, le=604_800, description="First pause in seconds; doubles each time."
    )
    max_s: float = Field(default=3600.0, ge=0.001, le=604_800, description="Longest pause, in seconds.")
    attempts: int = Field(default=40, ge=1, le=1000, description="Failures after which it is a dead letter.")


class RetryOut(Output):
    """How an event subscription is tried again after a failure."""

    min_s: float
    max_s: float
    attempts: int


class SubscriptionIn(Input):
    """The specification's `hook_data`, with a condition, an own deadline and a failure policy."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    hook_name: HookName
    hook_type: Type
    callback_method: Method
    priority: Priority = 100
    description: LongText = ""
    conditions: Condition | None = Field(
        default=None, description='CEL over the payload, like `plan.speed >= 100 && country == "PT"`.'
    )
    timeout_ms: Timeout | None = None
    failure_policy: Policy = FailurePolicy.CONTINUE
    own_echo: bool = Field(
        default=False, description="Called too by a dispatch that this plugin itself caused."
    )
    retry: RetryIn | None = Field(
        default=None, description="Of an event subscription: how it is tried again; null: the default."
    )
    is_active: bool = True
    start_from: str | None = Field(
        default=None,
        max_length=40,
        description="Of an event subscription: `now` (null, too), `beginning` of what is kept, or a time with its zone.",
        examples=["2026-01-31T00:00:00+00:00"],
    )


class SubscriptionChangesIn(Input):
    """Fields of a subscription to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})

    hook_name: HookName = Field(default_factory=absent)
    hook_type: Type = Field(default_factory=absent)
    callback_method: Method = Field(default_factory=absent)
    priority: Priority = Field(default_factory=absent)
    description: LongText = Field(default_factory=absent)
    conditions: Condition | None = Field(default=None, description="CEL; null: no condition.")
    timeout_ms: Timeout | None = Field(default=None, description="Null: only the dispatch's deadline.")
    failure_policy: Policy = Field(default_factory=absent)
    own_echo: bool = Field(default_factory=absent)
    retry: RetryIn | None = None
    is_active: bool = Field(default_factory=absent)


class SubscriptionOut(Output):
    """A subscription, and whether its method is known to fit."""

    id: int
    plugin_id: int
    hook_name: str
    hook_type: SubscriptionType
    callback_method: str
    priority: int
    description: str
    conditions: str | None
    timeout_ms: int | None
    failure_policy: FailurePolicy
    own_echo: bool
    retry: RetryOut | None
    is_active: bool
    declared: bool = Field(description="Comes from a decorator in the plugin's code.")
    binding: BindingStatus
    binding_error: str | None
    created_at: datetime
    updated_at: datetime
