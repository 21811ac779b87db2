"""What a worker may use, and whether it keeps to it. Pure.

1. A limit is the manifest's or the operator's, whichever is less; the operator's cannot be exceeded by a manifest.
2. A breach counts when two samples in a row are above the limit: a moment's peak harms nobody.
3. Memory of twice the limit counts at once: it could take the machine down before the next sample.
4. What the system does not tell is no breach.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from isp_plugins.contracts.worker import ResourceUse, WorkerLimits

SUSTAINED = 2
"""Samples in a row above a limit that count as its breach."""
GROSS = 2.0
"""So many times the memory that is allowed count at the first sample."""
MIB = 1024 * 1024


class Resource(StrEnum):
    """What a worker uses and can use too much of."""

    MEMORY = "memory"
    """Resident memory of all its processes, in MiB."""
    CPU = "cpu"
    """Processor time between two samples, in percent of one core."""
    OPEN_FILES = "open_files"
    """File descriptors."""
    THREADS = "threads"
    """Threads of all its processes."""


class LimitSource(StrEnum):
    """Whose limit it is."""

    MANIFEST = "manifest"
    """The plugin's own."""
    OPERATOR = "operator"
    """The server's settings."""


UNITS: Mapping[Resource, str] = MappingProxyType(
    {
        Resource.MEMORY: "MiB of memory",
        Resource.CPU: "% of a core",
        Resource.OPEN_FILES: "open files",
        Resource.THREADS: "threads",
    }
)
"""What an amount is counted in, as it is said."""
SETTINGS: Mapping[Resource, str] = MappingProxyType(
    {
        Resource.MEMORY: "ISP_PLUGINS_WORKER_MEMORY_MB",
        Resource.CPU: "ISP_PLUGINS_WORKER_CPU_PERCENT",
        Resource.OPEN_FILES: "ISP_PLUGINS_WORKER_OPEN_FILES",
        Resource.THREADS: "ISP_PLUGINS_WORKER_THREADS",
    }
)
"""The setting of each cap."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of one resource a worker may use."""

    resource: Resource
    allowed: int
    source: LimitSource

    @property
    def whose(self) -> str:
        """Where the limit stands, for who wants to change it."""
        return "its manifest's limit" if self.source is LimitSource.MANIFEST else f"{SETTINGS[self.resource]}"


@dataclass(frozen=True, slots=True)
class Breach:
    """A limit that a worker does not keep to."""

    limit: Limit
    found: float

    @property
    def words(self) -> str:
        """What was found and what is allowed, as the end of a sentence."""
        found, allowed = said(self.limit.resource, self.found), said(self.limit.resource, self.limit.allowed)
        return f"it used {found}, and {allowed} are allowed ({self.limit.whose})"


@dataclass(frozen=True, slots=True)
class Amounts:
    """What one sample says of each resource, in the units of limits; what is not known is missing."""

    by_resource: Mapping[Resource, float]

    @classmethod
    def of(cls, use: ResourceUse, cpu_percent: float | None) -> "Amounts":
        """Those of a sample; processor time needs the sample before."""
        known = {
            Resource.MEMORY: None if use.memory_bytes is None else use.memory_bytes / MIB,
            Resource.CPU: cpu_percent,
            Resource.OPEN_FILES: use.open_files,
            Resource.THREADS: use.threads,
        }
        return cls({resource: amount for resource, amount in known.items() if amount is not None})


def limits_of(manifest: WorkerLimits, operator: WorkerLimits) -> tuple[Limit, ...]:
    """What a worker may use (rule 1); an operator's 0 or None is no cap. A resource without any limit is left out."""
    pairs = {
        Resource.MEMORY: (manifest.memory_mb, operator.memory_mb),
        Resource.CPU: (manifest.cpu_percent, operator.cpu_percent),
        Resource.OPEN_FILES: (manifest.open_files, operator.open_files),
        Resource.THREADS: (manifest.threads, operator.threads),
    }
    made = (_limit(resource, own, cap or None) for resource, (own, cap) in pairs.items())
    return tuple(limit for limit in made if limit is not None)


def _limit(resource: Resource, own: int | None, cap: int | None) -> Limit | None:
    if own is not None and (cap is None or own <= cap):
        return Limit(resource, own, LimitSource.MANIFEST)
    return None if cap is None else Limit(resource, cap, LimitSource.OPERATOR)


@dataclass(frozen=True, slots=True)
class Strikes:
    """How many samples in a row were above each limit."""

    counts: Mapping[Resource, int] = field(default_factory=dict)

    def after(self, amounts: Amounts, limits: tuple[Limit, ...]) -> tuple["Strikes", Breach | None]:
        """With one more sample; the first limit whose breach counts by now, if any."""
        counts: dict[Resource, int] = {}
        breach: Breach | None = None
        for limit in limits:
            found = amounts.by_resource.get(limit.resource)
            if found is None or found <= limit.allowed:
                continue
            counts[limit.resource] = self.counts.get(limit.resource, 0) + 1
            if breach is None and (counts[limit.resource] >= SUSTAINED or _is_gross(limit, found)):
                breach = Breach(limit, found)
        return Strikes(counts), breach


def _is_gross(limit: Limit, found: float) -> bool:
    return limit.resource is Resource.MEMORY and found >= limit.allowed * GROSS


def said(resource: Resource, amount: float) -> str:
    """An amount with its unit."""
    return f"{amount:,.0f} {UNITS[resource]}"
