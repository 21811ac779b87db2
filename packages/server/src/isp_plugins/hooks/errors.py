"""What the hooks' room refuses: names, payloads, conditions, bindings, idempotency keys and CloudEvents."""

from isp_plugins.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)


class HookNameInvalidError(InvalidInputError):
    """{name!r} is not a hook's name: expected a lower-case letter followed by at most 99 lower-case letters, digits or underscores, like customer_created. `isp-plugins hooks list` (GET /api/v1/hooks) lists the hooks that the host knows."""


class InternalHookError(ForbiddenError):
    """The hook {hook} is dispatched by the host alone (plugin_*, system_* and scheduler_* hooks): subscribe to it, or dispatch a hook of your own."""


class PayloadInvalidError(InvalidInputError):
    """The payload does not fit the hook {hook}: {summary}. `isp-plugins hooks show {hook}` (GET /api/v1/hooks/{hook}) shows its schema and a sample."""


class RecursionTooDeepError(ConflictError):
    """The hook {hook} was not dispatched: hooks dispatch hooks at most {limit} deep, and this is the chain: {chain}. Break the circle in one of these plugins."""


class ConditionInvalidError(InvalidInputError):
    """The condition cannot be used: line {line}, column {column}: {problem}. A condition is a CEL expression over the payload, like plan.speed >= 100 && country == "PT"; docs/conditions.md has the language."""


class BindingInvalidError(InvalidInputError):
    """The subscription does not fit: {summary}. Mend what is named and send it again."""


class SubscriptionNotFoundError(NotFoundError):
    """Plugin {plugin_id} has no subscription {hook_id}. `isp-plugins hooks of` (GET /api/v1/plugins/{plugin_id}/hooks) lists those it has."""


class SubscriptionExistsError(ConflictError):
    """Plugin {plugin_id} already binds {callback_method} to {hook_name} as {hook_type}: change that subscription instead of making a second one."""


class SubscriptionDeclaredError(ConflictError):
    """The subscription {hook_id} is declared in the plugin's own code: {refused}. Switch it off with is_active false, or change the plugin."""


class IdempotencyKeyInvalidError(InvalidInputError):
    """The idempotency key cannot be used: expected 1 to {limit} printable ASCII characters, got {got}. A UUID is a good key."""


class IdempotencyKeyReusedError(ConflictError):
    """The idempotency key {key!r} was already used for another dispatch: a key belongs to one hook and one body. Use a new key for a new dispatch, or repeat the first one unchanged."""


class DispatchInProgressError(ConflictError):
    """The dispatch with the idempotency key {key!r} is still running: ask again in a moment with the same key for its result; if its host died, the key is free again after {release_s} seconds."""


class CloudEventInvalidError(InvalidInputError):
    """The CloudEvent cannot be dispatched: {summary}. Expected a CloudEvents 1.0 event whose type is isp.<hook>.v1, with source, id and data."""


class EventsNotKeptError(UnavailableError):
    """The event of this dispatch of {hook} cannot be kept: {cause} {rest} Dispatch it again later."""
