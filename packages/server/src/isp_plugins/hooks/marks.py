"""What a chain keeps of a subscription that did not simply return: that it was skipped, or how it failed."""

from collections.abc import Mapping
from types import MappingProxyType

from isp_plugins.contracts.vocabulary import OutcomeStatus, SkipReason


class Skip:
    """A subscription that did not run; there is one of these for every reason."""

    __slots__ = ("reason",)

    def __init__(self, reason: SkipReason) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"<skipped: {self.reason}>"


class Failure:
    """A subscription that raised, rejected or was too late."""

    __slots__ = ("error", "status")

    def __init__(self, status: OutcomeStatus, error: BaseException) -> None:
        self.status = status
        self.error = error

    def __repr__(self) -> str:
        return f"<{self.status}: {self.error!r}>"


SKIPS: Mapping[SkipReason, Skip] = MappingProxyType({reason: Skip(reason) for reason in SkipReason})
"""The one mark of each reason."""
