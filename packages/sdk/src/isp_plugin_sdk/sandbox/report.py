"""What holds of a worker's sandbox, layer by layer, and what is missing and why."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple


class Layer(StrEnum):
    """One thing that the sandbox denies, whichever means of the kernel denies it."""

    FILES = "files"
    """Files that are not granted."""
    NETWORK = "network"
    """Connections that the host did not make, or to ports that are not granted."""
    SIGNALS = "signals"
    """Signals to, and debugging of, other processes."""
    SYSTEM_CALLS = "system calls"
    """New processes and programs, namespaces, kernel interfaces that a plugin never needs."""
    LIMITS = "limits"
    """More memory, files and file size than granted."""
    PRIVILEGES = "privileges"
    """Capabilities, and ways to gain any."""
    USER = "user"
    """The host's own user, where the host is root."""
    NAMESPACES = "namespaces"
    """A network, file system view and shared memory of its own: beyond the full set, where the kernel lets it."""
    LINEAGE = "lineage"
    """What it starts ends with it by the kernel, whatever it does; of plugins with the grant `processes`. Without it the host looks for what is left."""


BEYOND = frozenset({Layer.NAMESPACES, Layer.LINEAGE})
"""What the full set does not need."""


class Level(StrEnum):
    """How much of the sandbox holds."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


class Report(NamedTuple):
    """What holds, and what does not and why."""

    holds: tuple[Layer, ...] = ()
    missing: tuple[tuple[Layer, str], ...] = ()
    notes: tuple[str, ...] = ()
    """What an operator should know although nothing is missing."""

    @property
    def level(self) -> Level:
        """Full where nothing but what lies beyond the full set is missing."""
        if not self.holds:
            return Level.NONE
        return Level.PARTIAL if any(layer not in BEYOND for layer, _why in self.missing) else Level.FULL

    @property
    def lacking(self) -> str:
        """What is missing of the full set, in words."""
        return "; ".join(f"{layer} ({why})" for layer, why in self.missing if layer not in BEYOND)

    def to_dict(self) -> dict[str, Any]:
        """As the handshake and the API carry it."""
        return {
            "level": self.level.value,
            "holds": [layer.value for layer in self.holds],
            "missing": [{"layer": layer.value, "why": why} for layer, why in self.missing],
            "notes": list(self.notes),
        }


def report_of(results: Iterable[tuple[Layer, str | None]], notes: Iterable[str] = ()) -> Report:
    """Gather the results of the layers: None, or why it does not hold."""
    results = list(results)
    return Report(
        holds=tuple(layer for layer, why in results if why is None),
        missing=tuple((layer, why) for layer, why in results if why is not None),
        notes=tuple(notes),
    )
