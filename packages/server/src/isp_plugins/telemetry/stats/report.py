"""Statistics as they are shown: figures for each plugin, hook and subscription, the slowest and those that fail most; pure.

1. A subscription's figures are its tally; a plugin's and a hook's are the sums over their subscriptions.
2. The slowest are ordered by p95, those that fail most by errors and time-outs together; who has none is not listed.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from isp_plugins.telemetry.stats.meter import LastRun
from isp_plugins.telemetry.stats.tally import COUNTS, NO_PLUGIN, Frame, Key, Tally

PERCENTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
NEVER = LastRun()
NOTHING = Tally()
G = TypeVar("G")

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Material:
    """What a report is made of: tallies and last runs that its reader may see, and the names of plugins."""

    frame: Frame
    lasts: Mapping[Key, LastRun]
    names: Mapping[int, str]
    ids: Mapping[Key, int]
    """The ids of subscriptions that there are now."""

    def only(self, wanted: Callable[[Key], bool]) -> "Material":
        """Without what is not wanted."""
        return Material(
            {key: tally for key, tally in self.frame.items() if wanted(key)},
            {key: last for key, last in self.lasts.items() if wanted(key)},
            self.names,
            self.ids,
        )


def overview(material: Material, *, top: int) -> Line:
    """Every plugin and hook, and who stands out."""
    plugins = _grouped(material, lambda key: key.plugin_id)
    plugins.pop(NO_PLUGIN, None)
    named = sorted((material.names[plugin_id], plugin_id, sum_) for plugin_id, sum_ in plugins.items())
    return {
        "totals": _totals(material),
        "plugins": [
            {"plugin_id": plugin_id, "plugin": name, **sum_.figures()} for name, plugin_id, sum_ in named
        ],
        "hooks": _hooks(material),
        **_tops(material, top),
    }


def detail(material: Material, plugin_id: int, *, top: int) -> Line:
    """One plugin: its sums, its hooks, its subscriptions."""
    mine = material.only(lambda key: key.plugin_id == plugin_id)
    lines = sorted(_lines(mine), key=lambda line: (line["hook"], line["type"], line["method"]))
    return {
        "plugin_id": plugin_id,
        "plugin": material.names[plugin_id],
        "totals": _totals(mine),
        "hooks": [
            {name: value for name, value in line.items() if name != "dispatches"} for line in _hooks(mine)
        ],
        "subscriptions": lines,
        **_tops(mine, top),
    }


@dataclass(slots=True)
class Sum:
    """Tallies of several subscriptions, added up."""

    tally: Tally
    last: LastRun = NEVER

    def figures(self) -> Line:
        """As they are shown; durations in milliseconds."""
        durations = self.tally.durations
        found = {name: durations.percentile(fraction) for name, fraction in PERCENTILES.items()}
        return {
            **{name: getattr(self.tally, name) for name in COUNTS},
            "skips": dict(sorted(self.tally.skips.items())),
            **{
                name: None if seconds is None else float(f"{seconds * 1000:.4g}")
                for name, seconds in found.items()
            },
            "last_run": _moment(self.last.ran_at),
            "last_error": self.last.error,
            "last_error_at": _moment(self.last.failed_at),
        }


def _grouped(material: Material, group: Callable[[Key], G]) -> dict[G, Sum]:
    """Sums by whatever a key is grouped by."""
    found: dict[G, Sum] = defaultdict(lambda: Sum(Tally()))
    for key in (*material.frame, *(key for key in material.lasts if key not in material.frame)):
        mine = found[group(key)]
        mine.tally.add(material.frame.get(key, NOTHING))
        mine.last = mine.last.later(material.lasts.get(key, NEVER))
    return dict(found)


def _totals(material: Material) -> Line:
    plugins = material.only(lambda key: key.plugin_id != NO_PLUGIN)
    found = _grouped(plugins, lambda _: "")
    return (found.get("") or Sum(Tally())).figures()


def _hooks(material: Material) -> list[Line]:
    """By name; a hook's own key counts its dispatches."""
    plugins = material.only(lambda key: key.plugin_id != NO_PLUGIN)
    sums = _grouped(plugins, lambda key: key.hook)
    dispatches = {
        key.hook: tally.calls for key, tally in material.frame.items() if key.plugin_id == NO_PLUGIN
    }
    return [
        {
            "hook": hook,
            "dispatches": dispatches.get(hook, 0),
            **(sums.get(hook) or Sum(Tally())).figures(),
        }
        for hook in sorted({*sums, *dispatches})
    ]


def _lines(material: Material) -> list[Line]:
    """One line for each subscription."""
    return [
        {
            "subscription_id": material.ids.get(key),
            "plugin_id": key.plugin_id,
            "plugin": material.names[key.plugin_id],
            **key._asdict(),
            **sum_.figures(),
        }
        for key, sum_ in _grouped(material, lambda key: key).items()
        if key.plugin_id != NO_PLUGIN
    ]


def _tops(material: Material, top: int) -> Line:
    """The slowest and those that fail most; only what is listed is written out."""
    frame = {key: tally for key, tally in material.frame.items() if key.plugin_id != NO_PLUGIN}
    slow = {
        key: seconds
        for key, tally in frame.items()
        if (seconds := tally.durations.percentile(0.95)) is not None
    }
    failing = {key: count for key, tally in frame.items() if (count := tally.errors + tally.timeouts)}
    return {"top_slow": _best(material, slow, top), "top_failing": _best(material, failing, top)}


def _best(material: Material, found: Mapping[Key, float], top: int) -> list[Line]:
    best = sorted(found, key=lambda key: (-found[key], key))[:top]
    lines = {
        (line["plugin_id"], line["hook"], line["type"], line["method"]): line
        for line in _lines(material.only(set(best).__contains__))
    }
    return [lines[key] for key in best]


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
