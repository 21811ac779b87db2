"""The checks of the monitoring itself: whether it runs, how far behind it is, whether it can ask, tell and write."""

from isp_plugin_sdk.health import Check, failed, passed, warned

from .announcing import Announcer
from .monitor import Monitor
from .settings import Settings
from .store import Store


def check_all(
    settings: Settings,
    monitor: Monitor,
    announcer: Announcer,
    store: Store,
    *,
    ended: str | None,
    running: bool,
) -> list[Check]:
    """One check a concern; `ended` says why background work ended, if it did."""
    return [
        _running(ended, running=running),
        _sweep(settings, monitor),
        _probing(monitor),
        _telling(announcer),
        warned("storage", f"states cannot be written: {store.problem}")
        if store.problem
        else passed("storage", "states are written"),
    ]


def _running(ended: str | None, *, running: bool) -> Check:
    """Whether devices are being probed."""
    if ended:
        return failed("monitor", f"the monitoring ended: {ended}. Reload the plugin")
    return (
        passed("monitor", "running") if running else warned("monitor", "not started: call start_monitoring")
    )


def _sweep(settings: Settings, monitor: Monitor) -> Check:
    """Whether every device gets its turn in time."""
    behind, interval = monitor.behind, settings.interval
    message = f"{len(monitor)} devices every {interval:g} s, {behind:.1f} s behind, {monitor.under_way} probes under way"
    if behind > max(5.0, 3 * interval):
        return failed("sweep", f"{message}: raise concurrency or interval, or shorten timeout")
    if behind > max(1.0, interval / 2):
        return warned("sweep", f"{message}: raise concurrency or interval, or shorten timeout")
    return passed("sweep", message)


def _probing(monitor: Monitor) -> Check:
    """Whether this machine can ask at all."""
    problems = [(one.device.label, one.problem) for one in monitor.all if one.problem]
    if not problems:
        return passed("probing", "every device can be probed")
    message = f"{len(problems)} of {len(monitor)} devices could not be probed, as {problems[0][0]}: {problems[0][1]}"
    return failed("probing", message) if len(problems) == len(monitor) else warned("probing", message)


def _telling(announcer: Announcer) -> Check:
    """Whether changes reach the rest of the ISP."""
    if announcer.problem:
        return warned(
            "telling", f"{len(announcer)} changes wait, the last dispatch failed: {announcer.problem}"
        )
    return passed("telling", f"{announcer.told} changes told, {len(announcer)} waiting")
