"""What the doctor says of a plugin's worker: whether it lives, keeps to its limits, and how one died last. Pure functions over facts."""

from collections.abc import Iterator

from isp_plugins.contracts.vocabulary import State
from isp_plugins.contracts.worker import Death, DeathReason
from isp_plugins.lifecycle.doctor.findings import Finding, Unread, ok, problem, unknown, warning
from isp_plugins.lifecycle.worker_views import WorkerView
from isp_plugins.runtime.worker.resources import said

_NEXT = {
    DeathReason.EXITED: "look at its last log lines: isp-plugins deaths {name} --log",
    DeathReason.SIGNALLED: "SIGSEGV and SIGABRT come from compiled code in the plugin or its dependencies: report them there; "
    "SIGKILL mostly from the kernel, when the machine has no memory left: journalctl -k",
    DeathReason.UNRESPONSIVE: "give what it waits for a time limit shorter than the hook's deadline: isp-plugins deaths {name} --log",
    DeathReason.LIMIT: "mend the leak, or raise the limit that is named (a plugin's own is in its manifest)",
    DeathReason.PROTOCOL: "test it against the protocol: isp-plugins protocol test -- COMMAND",
}


def check_worker(
    view: WorkerView | None, death: Death | Unread | None, state: State, name: str
) -> Iterator[Finding]:
    """Nothing of a plugin that runs in process."""
    if view is None:
        return
    yield _life(view, state, name)
    if view.pid is not None:
        yield _use(view, name)
    yield _last_death(death, name)


def _life(view: WorkerView, state: State, name: str) -> Finding:
    if view.pid is not None:
        return ok("worker", f"process {view.pid}, for {view.uptime_s or 0.0:.0f} s, {view.restarts} restarts")
    if state is State.ACTIVE:
        return problem(
            "worker",
            "it is active, but its worker is gone",
            expected="a process",
            next_step=f"isp-plugins reload {name}",
        )
    return unknown("worker", f"the plugin is {state}, and has none")


def _use(view: WorkerView, name: str) -> Finding:
    limits = ", ".join(f"{said(limit.resource, limit.allowed)} ({limit.whose})" for limit in view.limits)
    flooded = [f"it was slowed down {count} times: {what}" for what, count in view.throttled.items() if count]
    if found := [*view.warnings, *flooded]:
        return warning(
            "resources",
            "; ".join(found),
            expected=f"a worker that keeps quiet; it may use {limits}"
            if limits
            else "a worker that keeps quiet",
            next_step=f"isp-plugins workers; isp-plugins logs --plugin {name}",
        )
    return ok("resources", f"it may use {limits}" if limits else "no limits")


def _last_death(death: Death | Unread | None, name: str) -> Finding:
    if isinstance(death, Unread):
        return unknown("deaths", death.why)
    if death is None:
        return ok("deaths", "no worker of it died")
    how = death.signal if death.exit_code is None else f"exit code {death.exit_code}"
    return warning(
        "deaths",
        f"the last one died at {death.died_at:%Y-%m-%dT%H:%M:%SZ} (version {death.version}, {death.reason}, {how}). {death.detail}".rstrip(),
        expected="workers that end only when they are asked to",
        next_step=_NEXT[death.reason].format(name=name),
    )
