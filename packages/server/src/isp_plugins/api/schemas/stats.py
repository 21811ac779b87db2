"""Statistics: what plugins were called for in a window of time, how it went, and how long it took."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from isp_plugins.api.schemas.base import Output, datetime
from isp_plugins.contracts.vocabulary import SubscriptionType
from isp_plugins.telemetry.stats import Window

MAX_TOP = 50


class StatsQuery(BaseModel):
    """Which window, and how many of the slowest and of those that fail most."""

    model_config = ConfigDict(extra="forbid")

    window: Annotated[Window, Field(description="5m, 1h or 1d.", examples=["1h"])] = Window.HOUR
    top: Annotated[int, Field(ge=1, le=MAX_TOP, description="How many stand out.")] = 5


class FiguresOut(Output):
    """Counts are exact; percentiles come from timed calls and are at most 5 % off, null where none was timed."""

    calls: int = Field(description="Calls into the plugin, those that failed included.")
    errors: int = Field(description="Calls that raised, or returned what the hook refuses.")
    rejects: int = Field(description="Calls that rejected their dispatch.")
    timeouts: int = Field(description="Calls that ran past their deadline.")
    queued: int = Field(description="Events that were accepted for delivery.")
    skips: dict[str, int] = Field(description="Turns without a call, by reason.")
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    last_run: datetime | None = Field(
        description="When it was last called, whatever the window; about a second exact."
    )
    last_error: str | None = Field(description="The last error, whatever the window.")
    last_error_at: datetime | None


class PluginStatsOut(FiguresOut):
    """One plugin's figures."""

    plugin_id: int
    plugin: str


class HookFiguresOut(FiguresOut):
    """One hook's figures."""

    hook: str


class HookStatsOut(HookFiguresOut):
    """One hook's figures, over all plugins."""

    dispatches: int = Field(description="How often it was dispatched while it had subscriptions.")


class SubscriptionStatsOut(PluginStatsOut):
    """One subscription's figures."""

    subscription_id: int | None = Field(
        description="Null: there is no such subscription any more, or not on this node."
    )
    hook: str
    type: SubscriptionType
    method: str


class _ReportOut(Output):
    window: Window
    since: datetime = Field(
        description="From when on it is counted: the window's oldest minute (of a day: hour) is counted whole."
    )
    until: datetime
    nodes: list[str] = Field(description="The nodes whose counts are added up.")
    totals: FiguresOut
    top_slow: list[SubscriptionStatsOut] = Field(description="By p95, the slowest first.")
    top_failing: list[SubscriptionStatsOut] = Field(description="By errors and time-outs, the most first.")


class StatsOut(_ReportOut):
    """Every plugin and hook that had something to do in the window, or ever."""

    plugins: list[PluginStatsOut]
    hooks: list[HookStatsOut]


class PluginStatsDetailOut(_ReportOut):
    """One plugin: its hooks and its subscriptions."""

    plugin_id: int
    plugin: str
    hooks: list[HookFiguresOut]
    subscriptions: list[SubscriptionStatsOut]
