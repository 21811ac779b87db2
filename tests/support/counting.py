"""A source of statistics whose counts a test sets, and the means to read them."""

from collections import Counter

from isp_plugins.contracts.hooks import Subscription
from isp_plugins.contracts.statistics import Measured, Measurement
from isp_plugins.contracts.vocabulary import SkipReason, SubscriptionType


class FakeEngine:
    """Counts what it is told to have called; one subscription for each plugin and hook."""

    def __init__(self):
        self.counts = {}
        self.dispatches = Counter()
        self.serials = {}

    def called(
        self, plugin_id=1, hook="customer_created", *, calls=1, took=(), skips=None, ran_at=None, **counts
    ):
        """So many calls, and how they ended."""
        mine = self.counts.setdefault((plugin_id, hook), {"skips": Counter(), "took": [], "other": Counter()})
        mine["other"].update(
            {"calls": calls} | {name: count for name, count in counts.items() if isinstance(count, int)}
        )
        mine["took"] += took
        mine["skips"].update(skips or {})
        mine["ran_at"] = ran_at or mine.get("ran_at")
        mine["error"] = counts.get("error", mine.get("error"))
        mine["failed_at"] = counts.get("failed_at", mine.get("failed_at"))
        self.dispatches[hook] += calls

    def begin_anew(self, plugin_id=1, hook="customer_created"):
        """Its counters are gone and begin at zero."""
        self.serials[plugin_id, hook] = self.serials.get((plugin_id, hook), 0) + 1000
        self.counts.pop((plugin_id, hook), None)

    def measure(self):
        return Measured([self._measurement(*key) for key in self.counts], Counter(self.dispatches))

    def _measurement(self, plugin_id, hook):
        mine = self.counts[plugin_id, hook]
        took, mine["took"] = mine["took"], []
        counts = {name: mine["other"][name] for name in ("calls", "errors", "rejects", "timeouts", "queued")}
        number = plugin_id * 100 + len(hook)
        return Measurement(
            serial=number + self.serials.get((plugin_id, hook), 0),
            subscription=Subscription(
                number, plugin_id, f"plugin {plugin_id}", hook, SubscriptionType.ACTION, "listen"
            ),
            skips={SkipReason(reason): count for reason, count in mine["skips"].items()},
            last_turn=mine["ran_at"],
            last_error=mine["error"],
            last_error_at=mine["failed_at"],
            durations=took,
            **counts,
        )
