"""Plugins' workers: what they use and may use, and how they died."""

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from isp_plugins.api.schemas.base import Output, datetime
from isp_plugins.api.schemas.breaker import BreakerOut
from isp_plugins.contracts.vocabulary import State
from isp_plugins.contracts.worker import DeathReason
from isp_plugins.runtime.worker.resources import LimitSource, Resource

WORKER_EXAMPLE: JsonDict = {
    "plugin_id": 7, "name": "my_custom_plugin", "state": "active", "pid": 4711, "started_at": "2030-01-31T12:00:00Z", "uptime_s": 3600.0, "restarts": 0,
    "sample": {
        "at": "2030-01-31T13:00:00Z", "cpu_percent": 1.5, "cpu_s": 12.25, "memory_bytes": 25165824, "open_files": 9, "threads": 3,
    },
    "limits": [
        {"resource": "memory", "allowed": 256, "source": "manifest"}, {"resource": "open_files", "allowed": 1024, "source": "operator"},
        {"resource": "threads", "allowed": 256, "source": "operator"},
    ],
    "warnings": [], "throttled": {}, "deaths": {},
    "breaker": {"state": "closed", "since": None, "cause": None, "failures": 0, "retry_at": None},
}  # fmt: skip
DEATH_EXAMPLE: JsonDict = {
    "plugin_id": 7, "plugin": "my_custom_plugin", "version": "1.2.0", "pid": 4711, "started_at": "2030-01-31T12:00:00Z", "died_at": "2030-01-31T13:00:00Z",
    "reason": "limit", "exit_code": None, "signal": "SIGKILL",
    "detail": "It used 300 MiB of memory, and 256 MiB of memory are allowed (its manifest's limit).",
    "log_tail": ["2030-01-31T12:59:59.120Z INFO     Reading the whole table"], "cpu_s": 12.25, "memory_bytes": 314572800, "open_files": 9, "threads": 3,
}  # fmt: skip


class SampleOut(Output):
    """What a worker and its children used when they were looked at last; null where the system does not tell."""

    at: datetime
    cpu_percent: float | None = Field(description="Of one core, since the look before.")
    cpu_s: float | None = Field(description="Processor time since it began, in seconds.")
    memory_bytes: int | None = Field(description="Resident memory.")
    open_files: int | None
    threads: int | None


class LimitOut(Output):
    """How much of one resource it may use."""

    resource: Resource = Field(
        description="memory in MiB, cpu in percent of one core, open_files and threads in number."
    )
    allowed: int
    source: LimitSource = Field(description="Whose limit it is: the smaller of the two counts.")


class WorkerOut(Output):
    """A plugin's worker; what only a living one has is null while it is down."""

    model_config = ConfigDict(json_schema_extra={"examples": [WORKER_EXAMPLE]})

    plugin_id: int
    name: str
    state: State
    pid: int | None
    started_at: datetime | None
    uptime_s: float | None
    restarts: int = Field(
        description="How often this server started it anew by itself since the operator enabled it last."
    )
    sample: SampleOut | None
    limits: list[LimitOut]
    warnings: list[str] = Field(description="What its operator should know of; reasons of degraded health.")
    throttled: dict[str, int] = Field(description="How often it was slowed down, by what it flooded.")
    deaths: dict[DeathReason, int] = Field(
        description="How often it died since this server began, by reason."
    )
    breaker: BreakerOut


class DeathOut(Output):
    """How a worker ended that nobody asked to."""

    model_config = ConfigDict(json_schema_extra={"examples": [DEATH_EXAMPLE]})

    plugin_id: int
    plugin: str
    version: str
    pid: int
    started_at: datetime
    died_at: datetime
    reason: DeathReason
    exit_code: int | None
    signal: str | None = Field(description="Name of the signal that ended it.")
    detail: str = Field(description="What happened, and which limit or call it was; secrets masked.")
    log_tail: list[str] = Field(description="Its last log lines, at most 200, oldest first; secrets masked.")
    cpu_s: float | None = Field(
        description="Processor time that it had used when it was looked at last, in seconds."
    )
    memory_bytes: int | None
    open_files: int | None
    threads: int | None
