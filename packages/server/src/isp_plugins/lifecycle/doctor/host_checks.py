"""Checks of keys, audit trail, clock, kernel and the running host. Pure functions over facts.

1. Every secret must open with a key of the ring; plugins whose secrets do not are named, with a count and never a value.
2. The audit chain's head must fit its last entry and its file; `isp-plugins audit verify` looks at every entry.
3. Time: records are in UTC; a wall clock that jumped, or differs from the database's, puts records out of order.
4. What the kernel lacks for the isolation of plugins is a warning; a problem only where the operator requires the full sandbox.
"""

from collections.abc import Iterator, Sequence

from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugins.contracts.vocabulary import State
from isp_plugins.lifecycle.doctor.facts import (
    ClockFacts,
    HeadFacts,
    InstallationFacts,
    KernelFacts,
    KeyFacts,
    PluginStateFacts,
    ProcessFacts,
    RunningFacts,
)
from isp_plugins.lifecycle.doctor.findings import Finding, Unread, ok, problem, unknown, warning
from isp_plugins.lifecycle.doctor.node_checks import check_nodes
from isp_plugins.lifecycle.doctor.storing import (
    age,
    check_backup,
    check_caches,
    check_database,
    check_disk,
    check_folders,
)

CLOCK_APART_S, CLOCK_WRONG_S = 1.0, 30.0
"""NTP keeps clocks within some 10 ms; a second shows in the order of records, half a minute in idempotency and leases."""
JUMPED_S = 2.0
"""Slewing changes at most 0.05% (2 s in an hour); more at once is a jump, or a machine that slept."""
OLDEST_SQLITE = (3, 35, 0)
"""The first with RETURNING, which every insert uses."""
OLDEST_PYTHON = (3, 11, 0)
FEW_FILES = 1024
"""A connection and a file each take one; below this a few hundred callers exhaust them."""
NEARLY_ALL = 0.9


def findings_of(facts: InstallationFacts) -> tuple[Finding, ...]:
    """Everything about an installation, in the order in which it is read."""
    return (
        *check_database(facts.database),
        *check_keys(facts.keys),
        check_audit(facts.audit),
        *check_disk(facts.disk, facts.database.size or 0),
        *check_folders(facts.folders, facts.private_files),
        check_backup(facts.backup),
        check_caches(facts.caches),
        *check_clock(facts.clock, facts.database.clock_ahead_s),
        *check_kernel(facts.kernel),
        *check_process(facts.process),
        *check_running(facts.running),
        check_plugins(facts.plugins),
        *check_nodes(facts.nodes),
    )


def check_keys(facts: KeyFacts | Unread) -> Iterator[Finding]:
    """The ring, and whether it opens every secret."""
    if isinstance(facts, Unread):
        yield unknown("keys", facts.why)
        return
    if isinstance(facts.ids, Unread):
        yield problem(
            "keys",
            facts.ids.why,
            expected=f"a readable key ring in {facts.place}",
            next_step="put the key file back from its copy, or set ISP_PLUGINS_SECRET_KEYS; a new key opens no old secret",
        )
        yield unknown("secrets", "without keys none can be read")
        return
    yield (
        ok("keys", f"{len(facts.ids)} in the ring, newest {facts.ids[0]}, from {facts.place}")
        if facts.ids
        else ok("keys", f"none yet; the first start makes {facts.place}")
    )
    yield _secrets(facts)


def _secrets(facts: KeyFacts) -> Finding:
    if isinstance(facts.unreadable, Unread):
        return unknown("secrets", facts.unreadable.why)
    if not facts.unreadable:
        return ok("secrets", f"{facts.secrets} stored, the ring opens them all")
    named = ", ".join(f"{count} of {plugin}" for plugin, count in sorted(facts.unreadable.items()))
    return problem(
        "secrets",
        f"the ring does not open {sum(facts.unreadable.values())} of {facts.secrets}: {named}",
        expected="a key for every stored secret",
        next_step="put the key that encrypted them back into the ring, or set these values anew (isp-plugins config set)",
    )


def check_audit(facts: Sequence[HeadFacts] | Unread) -> Finding:
    """The end of every node's chain."""
    if isinstance(facts, Unread):
        return unknown("audit trail", facts.why)
    mistakes = [mistake for head in facts if (mistake := _head_mistake(head))]
    if mistakes:
        return problem(
            "audit trail",
            "; ".join(mistakes),
            expected="a head that fits the last entry and the file outside the database",
            next_step="isp-plugins audit verify: it looks at every entry and says which were edited, removed or cut off",
        )
    entries = sum(head.last_sequence for head in facts)
    return ok(
        "audit trail", f"the head fits the last of {entries} entries; 'isp-plugins audit verify' looks at all"
    )


def _head_mistake(head: HeadFacts) -> str:
    node = f"node {head.node}"
    if head.head_count is None:
        return f"{node} has {head.last_sequence} entries and no head that can be read"
    if head.head_count != head.last_sequence:
        return f"the head of {node} says {head.head_count} entries, the last one is {head.last_sequence}"
    if head.seal_fits is None:
        return f"the key that sealed the head of {node} is not in the ring"
    if not head.mac_fits or not head.seal_fits:
        return f"the head of {node} does not fit its last entry"
    if head.file_count is not None and head.file_count > head.head_count:
        return f"the file outside the database says {head.file_count} entries of {node}, the head {head.head_count}"
    return ""


def check_clock(facts: ClockFacts, database_ahead_s: float | Unread) -> Iterator[Finding]:
    """This machine's time against the database's, against its own since the start, and its zone."""
    if isinstance(database_ahead_s, Unread):
        yield unknown("database clock", database_ahead_s.why)
    else:
        yield _apart(
            "database clock",
            f"{seconds(database_ahead_s)} against this machine's",
            abs(database_ahead_s),
            CLOCK_APART_S,
        )
    if isinstance(facts.drift_s, Unread):
        yield unknown("clock", facts.drift_s.why)
    else:
        found = f"wall time went {seconds(facts.drift_s)} against monotonic time since the start"
        yield _apart("clock", found, abs(facts.drift_s), JUMPED_S)
    yield ok("time zone", f"{facts.zone}; everything stored is in UTC")


def _apart(check: str, found: str, apart: float, limit: float) -> Finding:
    if apart <= limit:
        return ok(check, found)
    tell = problem if apart >= CLOCK_WRONG_S else warning
    return tell(
        check,
        found,
        expected=f"at most {limit:.0f} s",
        next_step="keep the machines on NTP ('timedatectl' shows whether they are); a jump or a machine that slept puts records out of order",
    )


def check_kernel(facts: KernelFacts) -> Iterator[Finding]:
    """What the kernel offers for the isolation of plugins, and whether their sandbox is as the operator wants it."""
    lacking = [
        name
        for name, is_there in (
            ("Landlock", facts.landlock_abi > 0),
            ("seccomp", facts.seccomp),
            ("namespaces", facts.namespaces is True),
        )
        if not is_there
    ]
    landlock = f"Landlock ABI {facts.landlock_abi}" if facts.landlock_abi else "no Landlock"
    found = f"Linux {facts.release}: {landlock}, " + (
        f"lacking {', '.join(lacking)}" if lacking else "all there"
    )
    if not lacking:
        yield ok("kernel", found)
    else:
        yield warning(
            "kernel",
            found,
            expected="Landlock, seccomp and namespaces, for the isolation of plugins",
            next_step="the sandbox needs Landlock and seccomp (a kernel 5.13 or newer), namespaces only add to it",
        )
    yield check_sandbox(facts)
    yield check_lineage(facts)


def check_sandbox(facts: KernelFacts) -> Finding:
    """Whether plugins with grants run in the full sandbox; what each worker really has stands with its health."""
    full = facts.landlock_abi > 0 and facts.seccomp
    found = f"{facts.sandbox} ({'the full set' if full else 'not the full set'} on this kernel)"
    if facts.sandbox is Enforcement.OFF:
        return warning(
            "sandbox",
            "switched off: plugins with grants can do whatever this server's user can",
            expected="ISP_PLUGINS_SANDBOX=require or best-effort",
            next_step="remove ISP_PLUGINS_SANDBOX=off and restart",
        )
    if full and not facts.stays_root:
        return ok("sandbox", found)
    tell = problem if facts.sandbox is Enforcement.REQUIRE else warning
    if full:
        return tell(
            "sandbox",
            f"{facts.sandbox}, and plugins with grants would run as root, as this server does",
            expected="a user of its own for each plugin",
            next_step="set ISP_PLUGINS_SANDBOX_FIRST_UID to the first of a range of user numbers that this system has and nobody uses, or let the server run as an ordinary user",
        )
    return tell(
        "sandbox",
        found,
        expected="Landlock (Linux 5.13 or newer, switched on) and seccomp on x86_64 or aarch64",
        next_step="use a newer kernel; with ISP_PLUGINS_SANDBOX=require no plugin with grants starts here until then",
    )


def check_lineage(facts: KernelFacts) -> Finding:
    """Who ends what a worker started, when the worker or this server ends, however hard."""
    if isinstance(facts.lineage, Unread):
        return unknown("lineage", facts.lineage.why)
    if facts.lineage:
        return ok(
            "lineage", "the kernel ends whatever a plugin with the grant `processes` started, with its worker"
        )
    return warning(
        "lineage",
        "the kernel gives no namespace of processes: what such a plugin started is looked for and ended, at its worker's end and at the next start "
        "of this server; a process that emptied its environment would live on after a kill -9 of this server",
        expected="namespaces of processes, as root or with user namespaces switched on",
        next_step="switch user namespaces on (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone), or grant `processes` to trusted plugins only",
    )


def check_process(facts: ProcessFacts) -> Iterator[Finding]:
    """Versions and limits of this process."""
    found = f"isp-plugins {facts.version}, Python {_dotted(facts.python)}, SQLite {_dotted(facts.sqlite)}"
    if facts.python >= OLDEST_PYTHON and facts.sqlite >= OLDEST_SQLITE:
        yield ok("versions", found)
    else:
        yield problem(
            "versions",
            found,
            expected=f"Python {_dotted(OLDEST_PYTHON)} and SQLite {_dotted(OLDEST_SQLITE)} or newer",
            next_step="install the server into a newer Python",
        )
    in_use = "" if isinstance(facts.open_files, Unread) else f"{facts.open_files} of "
    crowded = (
        not isinstance(facts.open_files, Unread) and facts.open_files > NEARLY_ALL * facts.open_file_limit
    )
    if facts.open_file_limit >= FEW_FILES and not crowded:
        yield ok("open files", f"{in_use}{facts.open_file_limit:,}")
        return
    tell = problem if crowded else warning
    yield tell(
        "open files",
        f"{in_use}{facts.open_file_limit:,}",
        expected=f"a limit of at least {FEW_FILES:,}, and less than nine tenths in use",
        next_step="raise it (LimitNOFILE= in the systemd unit, 'ulimit -n' in a shell) and look for a plugin that does not close what it opens",
    )


def check_running(facts: RunningFacts | Unread) -> Iterator[Finding]:
    """Start, threads and queues of a running host."""
    if isinstance(facts, Unread):
        yield from (unknown(check, facts.why) for check in ("start", "threads", "event log", "log queue"))
        return
    up = (facts.now - facts.started_at).total_seconds()
    yield ok("start", f"{facts.started_at:%Y-%m-%dT%H:%M:%SZ}, {age(max(up, 0.0))} ago")
    yield _threads(facts)
    yield _event_log(facts)
    yield _queue(
        "log queue", facts.logs_waiting, facts.logs_size, facts.logs_dropped, "ISP_PLUGINS_LOG_QUEUE_SIZE"
    )


def _threads(facts: RunningFacts) -> Finding:
    found = f"{facts.threads_busy} of {facts.threads_limit} at work"
    if facts.abandoned:
        named = ", ".join(f"{count} of {plugin}" for plugin, count in sorted(facts.abandoned.items()))
        return warning(
            "threads",
            f"{found}, and {sum(facts.abandoned.values())} abandoned: {named}",
            expected=f"none abandoned; {facts.abandoned_limit} of one plugin put it into quarantine",
            next_step="give that plugin's calls time limits of their own (a socket timeout, say); an abandoned thread ends only with the server",
        )
    if facts.threads_busy < facts.threads_limit:
        return ok("threads", found)
    return warning(
        "threads",
        found,
        expected="a free thread; further calls of plain functions wait",
        next_step="find what is slow (isp-plugins hooks show HOOK: mean and max), make it async, or raise ISP_PLUGINS_MAX_THREADS",
    )


def _event_log(facts: RunningFacts) -> Finding:
    found = f"{facts.events_written:,} events written since the start, {facts.events_refused:,} refused"
    expected = "events that are kept, or dispatches that fail and say why"
    if facts.events_failure is not None:
        step = "see that the database runs and has room; dispatches with event subscriptions fail until then"
        why = f"{found}; the last one because: {facts.events_failure}"
        return problem("event log", why, expected=expected, next_step=step)
    if facts.events_refused:
        step = "nothing, if the callers dispatched again; else have them do so"
        return warning("event log", found, expected=expected, next_step=step)
    return ok("event log", found)


def _queue(check: str, waiting: int, size: int, dropped: int, setting: str) -> Finding:
    found = f"{waiting:,} of {size:,} waiting, {dropped:,} dropped since the start"
    if not dropped and waiting <= NEARLY_ALL * size:
        return ok(check, found)
    tell = problem if dropped else warning
    return tell(
        check,
        found,
        expected="none dropped, and less than nine tenths full",
        next_step=f"find who fills it faster than it is emptied (isp-plugins hooks show HOOK, isp-plugins logs), or raise {setting}",
    )


def check_plugins(facts: Sequence[PluginStateFacts] | Unread) -> Finding:
    """Which plugins should run and do not."""
    if isinstance(facts, Unread):
        return unknown("plugins", facts.why)
    down = [
        one
        for one in facts
        if (one.wanted and one.state not in {State.ACTIVE, State.STANDBY}) or one.state is State.QUARANTINED
    ]
    active = sum(one.state is State.ACTIVE for one in facts)
    if not down:
        elsewhere = sum(one.state is State.STANDBY for one in facts)
        beside = f", {elsewhere} more on other nodes" if elsewhere else ""
        return ok("plugins", f"{active} of {len(facts)} active{beside}, none fails")
    return problem(
        "plugins",
        f"{active} of {len(facts)} active; " + ", ".join(f"{one.name} is {one.state}" for one in down),
        expected="every enabled plugin active",
        next_step=f"isp-plugins doctor plugin {down[0].name}",
    )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def seconds(apart: float) -> str:
    """A difference of clocks for people."""
    return f"{round(apart, 1) + 0.0:+.1f} s"  # adding zero turns -0.0 into 0.0
