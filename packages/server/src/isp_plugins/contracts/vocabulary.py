"""The words of the product as enums, one sentence each; GLOSSARY.md is their prose."""

from enum import StrEnum


class PluginType(StrEnum):
    """The domains of the specification."""

    COMMUNICATION = "COMMUNICATION"
    """E-mail, SMS, notification."""
    BILLING = "BILLING"
    """Payment gateways, invoicing, accounting."""
    NETWORKING = "NETWORKING"
    """Network monitoring, device management, provisioning."""
    AUTHENTICATION = "AUTHENTICATION"
    """SSO, LDAP, custom authentication providers."""
    MONITORING = "MONITORING"
    """System monitoring, alerting, analytics."""
    INTEGRATION = "INTEGRATION"
    """Third-party services."""
    UTILITY = "UTILITY"
    """General helpers."""
    CUSTOM = "CUSTOM"
    """An ISP's own domain."""


class Desired(StrEnum):
    """What the operator asked for last."""

    ENABLED = "enabled"
    """The plugin shall run on every node."""
    DISABLED = "disabled"
    """The plugin shall not run."""


class Placement(StrEnum):
    """On how many nodes a plugin runs."""

    PER_NODE = "per-node"
    """On every node."""
    SINGLETON = "singleton"
    """On one node at a time; the others stand by."""


class State(StrEnum):
    """What a plugin's instance on one node really is."""

    REGISTERED = "registered"
    """Known by name, never loaded here."""
    INSTALLED = "installed"
    """Its artifact and environment are ready, never loaded here."""
    ENABLING = "enabling"
    """Being loaded, initialised and hooked."""
    ACTIVE = "active"
    """Running and subscribed."""
    STANDBY = "standby"
    """It runs on another node, and only on one at a time; this node is ready to take over."""
    DISABLING = "disabling"
    """Unsubscribed, draining and being cleaned up."""
    DISABLED = "disabled"
    """Stopped in good order."""
    FAILED = "failed"
    """Could not load or died; the cause is kept."""
    QUARANTINED = "quarantined"
    """Failed too often; left alone until the half-open try or the operator."""


class HookKind(StrEnum):
    """How a hook's dispatch treats its payload."""

    ACTION = "action"
    """Ordered work on one shared payload."""
    FILTER = "filter"
    """A value threaded through its subscriptions."""


class SubscriptionType(StrEnum):
    """How one subscription takes part in a dispatch (`hook_type` in the API)."""

    ACTION = "action"
    """Runs inside the dispatch."""
    FILTER = "filter"
    """Runs inside the dispatch and may replace the value."""
    EVENT = "event"
    """Is delivered after the dispatch."""


class FailurePolicy(StrEnum):
    """What a failing subscription means for the rest of the dispatch."""

    CONTINUE = "continue"
    """The next subscription runs."""
    STOP = "stop"
    """The dispatch ends with status `stopped`."""


class BindingStatus(StrEnum):
    """Whether a subscription's method is known to fit its hook."""

    UNVERIFIED = "unverified"
    """The plugin was never loaded since the subscription was made."""
    VALID = "valid"
    """The method exists and fits."""
    INVALID = "invalid"
    """The method is missing or does not fit; it never runs and the plugin's health is degraded."""


class DispatchStatus(StrEnum):
    """How a dispatch ended."""

    COMPLETED = "completed"
    """Every subscription had its turn."""
    REJECTED = "rejected"
    """A subscription raised `Reject` on a hook that allows a veto."""
    STOPPED = "stopped"
    """A failing subscription with policy `stop`, or a fail-closed hook, ended it."""
    TIMED_OUT = "timed_out"
    """The deadline passed before every subscription had its turn."""


class OutcomeStatus(StrEnum):
    """What became of one subscription in one dispatch."""

    OK = "ok"
    """It ran and returned."""
    ERROR = "error"
    """It raised, or returned what the hook refuses."""
    REJECTED = "rejected"
    """It raised `Reject`."""
    TIMED_OUT = "timed_out"
    """It ran past its deadline."""
    SKIPPED = "skipped"
    """It did not run; `skip_reason` says why."""
    QUEUED = "queued"
    """An event subscription: delivery comes after the dispatch."""


class SkipReason(StrEnum):
    """Why a subscription did not run."""

    CONDITION_FALSE = "condition_false"
    """Its condition was false for this payload."""
    CONDITION_FAILED = "condition_failed"
    """Its condition could not be evaluated for this payload, which counts as false."""
    INACTIVE = "inactive"
    """The operator switched it off."""
    BINDING_INVALID = "binding_invalid"
    """Its method does not fit."""
    PLUGIN_STOPPED = "plugin_stopped"
    """Its plugin was disabled during the dispatch."""
    BREAKER_OPEN = "breaker_open"
    """Its plugin's circuit breaker is open."""
    WORKER_DOWN = "worker_down"
    """Its plugin's worker died and is not up again."""
    RUNS_ELSEWHERE = "runs_elsewhere"
    """Its plugin is a singleton and runs on another node."""
    OWN_ECHO = "own_echo"
    """Its plugin caused this dispatch and did not ask for its own echo."""
    AFTER_REJECT = "after_reject"
    """An earlier subscription rejected the dispatch."""
    AFTER_STOP = "after_stop"
    """An earlier failure stopped the dispatch."""
    AFTER_DEADLINE = "after_deadline"
    """The dispatch's deadline had passed."""


class DeliveryStatus(StrEnum):
    """Where one event stands with one subscription."""

    WAITING = "waiting"
    """Not tried yet, or its attempt is under way."""
    RETRYING = "retrying"
    """It failed and is tried again."""
    HELD_BACK = "held_back"
    """An earlier event of its key is being retried."""
    DELIVERED = "delivered"
    """The plugin has taken it."""
    DEAD = "dead"
    """It failed too often: a dead letter, which only an operator can retry or discard."""
    DISCARDED = "discarded"
    """An operator gave it up."""


class HealthStatus(StrEnum):
    """How well a running plugin does, apart from its state."""

    HEALTHY = "healthy"
    """All checks pass."""
    DEGRADED = "degraded"
    """It works, but something needs attention."""
    UNHEALTHY = "unhealthy"
    """It does not do its work."""
    UNKNOWN = "unknown"
    """Nothing has been probed yet, or it does not run."""


class CheckStatus(StrEnum):
    """How one check of a plugin's health ended, in the specification's words."""

    PASS = "pass"  # noqa: S105  the specification's word, not a password
    """What was checked is well."""
    WARN = "warn"
    """It works, but something needs attention."""
    FAIL = "fail"
    """It does not work."""


class BreakerState(StrEnum):
    """Where a plugin's circuit breaker stands."""

    CLOSED = "closed"
    """The plugin is called."""
    OPEN = "open"
    """It failed too often in a row: its subscriptions are skipped."""
    HALF_OPEN = "half_open"
    """One call tries; the others are skipped."""


class HealthEvent(StrEnum):
    """What an entry of a plugin's health history is about."""

    ANSWERED = "answered"
    """Probes that the plugin answered, all with the same result."""
    MISSED = "missed"
    """Probes that it did not answer."""
    STARTED = "started"
    """It came up."""
    FAILED = "failed"
    """It could not start, or died."""
    RESTARTED = "restarted"
    """It was started anew because it did not answer."""
    STRAINED = "strained"
    """What its worker uses, or how often it crashes, needs attention; an empty message: not any more."""
    QUARANTINED = "quarantined"
    """It is left alone."""
    BREAKER_OPENED = "breaker_opened"
    """It failed too often in a row: its subscriptions are skipped."""
    BREAKER_TRIED = "breaker_tried"
    """One call tries whether it works again."""
    BREAKER_CLOSED = "breaker_closed"
    """It works again, and is called."""


class RuntimeKind(StrEnum):
    """Where a plugin's code runs."""

    IN_PROCESS = "in_process"
    """In the host's own process."""
    PROCESS = "process"
    """In a worker process of its own."""


class LogLevel(StrEnum):
    """Levels of a plugin's log, as in the standard library."""

    DEBUG = "DEBUG"
    """Every invocation is logged too."""
    INFO = "INFO"
    """What an operator may want to read."""
    WARNING = "WARNING"
    """Something unexpected that the plugin coped with."""
    ERROR = "ERROR"
    """Something failed."""
    CRITICAL = "CRITICAL"
    """The plugin cannot go on."""
