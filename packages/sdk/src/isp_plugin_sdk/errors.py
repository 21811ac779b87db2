"""The errors of the SDK: each is written once, as a class whose docstring is the message to its reader."""

import errno
import inspect
from typing import Any


class PluginSdkError(Exception):
    """Something went wrong between a plugin and its host.

    The first paragraph of a subclass's docstring is its message; `{field}` is replaced by the value given, and `fields` keeps them.
    """

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        template = inspect.cleandoc(type(self).__doc__ or "").split("\n\n", 1)[0]
        super().__init__(" ".join(template.split()).format(**fields))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.fields)


def _rebuild(kind: type[PluginSdkError], fields: dict[str, Any]) -> PluginSdkError:
    """Copy or unpickle an error, which keyword-only fields would otherwise prevent."""
    return kind(**fields)


class Reject(Exception):  # noqa: N818  it is a plugin's decision, not a failure
    """A plugin's veto on a hook that allows one: `raise Reject("the customer is on the deny list")`.

    `reason` is kept in the result of the dispatch. On a hook that allows no veto it counts as an ordinary error.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class RetryLater(Exception):  # noqa: N818  it is a plugin's decision, not a failure
    """Raised by a method that gets an event: `raise RetryLater(60, "the gateway is down")` has it delivered again in a minute.

    It does not count towards the dead letter. In an action or a filter it counts as an ordinary error.
    """

    def __init__(self, after: float, reason: str = "") -> None:
        super().__init__(reason or f"to be tried again in {after:g} s")
        self.retry_after_s = float(after)
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.retry_after_s, self.reason)


class DoneMeanwhileError(PluginSdkError):
    """Somebody else has done {mark!r} while this call was at it: nothing of what it stored in `self.context.once(...)` was kept. It is the host's duty to call again; then `once` says that it is done."""


class NestedOnceError(PluginSdkError):
    """`self.context.once({mark!r})` stands inside `self.context.once({outer!r})`: what is done once is one whole. End the outer block first, or do both in one."""


class NoEventError(PluginSdkError):
    """`self.context.once()` without a key takes the idempotency key of an event, and this call delivers none: name what is done once, as in `self.context.once("invoice-17")`."""


class CalledOnEventLoopError(PluginSdkError, RuntimeError):
    """`self.context.{call}(...)` blocks, and this thread runs an event loop, which would stand still: write `await self.context.aio.{call}(...)` in an `async def`."""


class NoHostError(PluginSdkError):
    """`self.context.{call}(...)` needs a host, and this plugin was constructed without one: in tests use `isp_plugin_sdk.testing.PluginHarness`."""


class HostGoneError(PluginSdkError):
    """`self.context.{call}(...)` cannot be answered: the host's event loop does not run any more. Stop background work in `cleanup`."""


class HostCallTimedOutError(PluginSdkError, TimeoutError):
    """`self.context.{call}(...)` had no answer within {seconds:.3g} s, the time left to the current call; do less in one call, or raise its deadline."""


class HostRefusedError(PluginSdkError):
    """`self.context.{call}(...)` is refused by the host: {detail}."""


class NotGrantedError(PluginSdkError, PermissionError):
    """The plugin is not granted {what}. If it needs it, its manifest must ask for it with `{grant}`, and the operator must accept that."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)
        self.errno = errno.EACCES
        self.strerror = self.args[0]


class NeverGrantedError(NotGrantedError):
    """A plugin in a sandbox cannot have {what}: {instead}."""


class NotJsonError(PluginSdkError, TypeError):
    """What is handed to the host must be a JSON value; {what}: expected {expected}, got {got}."""


class StorageLimitError(PluginSdkError, ValueError):
    """A plugin's storage holds small values: {what} must be at most {limit}, got {got}."""


class DeclarationInvalidError(PluginSdkError, ValueError):
    """The decorator `@{decorator}` cannot be used like this: {summary}."""


class SchemaInvalidError(PluginSdkError, ValueError):
    """The configuration schema cannot be used: {summary}."""

    @property
    def mistakes(self) -> list[dict[str, Any]]:
        """Every mistake: `{path, message, expected, got}`."""
        return list(self.fields["mistakes"])


class ManifestInvalidError(PluginSdkError, ValueError):
    """The manifest cannot be used: {summary}."""

    @property
    def mistakes(self) -> list[dict[str, Any]]:
        """Every mistake: `{path, line, message, expected, got}`."""
        return list(self.fields["mistakes"])
