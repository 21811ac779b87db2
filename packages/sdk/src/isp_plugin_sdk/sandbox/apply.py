"""Applies a policy to this process, all layers in their order, before any line of the plugin has run.

1. Namespaces first (they need privileges), then limits, then the user and the capabilities, then `no_new_privs`, Landlock, and seccomp last.
2. Call it with one thread: Landlock and a namespace of users bind only the thread that asks, and what it starts. With a namespace of processes it
   returns in another process than called it (`lineage`): numbers of processes asked before mean nothing after.
3. A layer that cannot be had is reported with its reason, never passed over; with `Enforcement.REQUIRE` it is an error, and the process must end.
4. Nothing here can be undone by the process, whatever runs in it later.
"""

import os
from collections.abc import Callable, Iterator
from itertools import chain

from isp_plugin_sdk.sandbox import landlock, lineage, namespaces, own_files, privileges, rlimits, seccomp
from isp_plugin_sdk.sandbox.errors import SandboxIncompleteError
from isp_plugin_sdk.sandbox.policy import Enforcement, SandboxPolicy
from isp_plugin_sdk.sandbox.report import Layer, Report, report_of

NO_LANDLOCK = "this kernel has no Landlock (5.13 or newer, built in and switched on)"


def apply_policy(policy: SandboxPolicy) -> Report:
    """Bind this process to the policy and say what holds; raises `SandboxIncompleteError` where all of it is required and is not to be had."""
    if policy.enforcement is Enforcement.OFF:
        return Report(notes=("switched off by the setting ISP_PLUGINS_SANDBOX",))
    applying = _Applying(policy)
    report = report_of(applying.results(), applying.notes)
    if policy.enforcement is Enforcement.REQUIRE and report.lacking:
        raise SandboxIncompleteError(missing=report.lacking)
    return report


class _Applying:
    """One application, step by step; what a later step must know of an earlier one."""

    def __init__(self, policy: SandboxPolicy) -> None:
        self.policy = policy
        self.notes: list[str] = []
        self.abi = landlock.abi()
        self.parent = os.getppid()
        self.own_user = self.own_view = self.keeps_reading = self.signals_scoped = False
        self.own_processes = self.attributes = False

    def results(self) -> Iterator[tuple[Layer, str | None]]:
        """Apply every layer; each with None, or why it does not hold."""
        yield Layer.NAMESPACES, self.separate()
        if self.policy.processes:
            yield Layer.LINEAGE, self.bind_lineage()
        user = self.whom_to_become()
        yield Layer.LIMITS, _tried(lambda: rlimits.set_limits(self.policy, own_user=self.own_user))
        yield Layer.PRIVILEGES, _tried(self.give_up)
        if user is not None:
            yield Layer.USER, user or None
        files = _tried(self.bind_files) if self.abi else NO_LANDLOCK
        kept_to_own = self.own_view or (self.own_user and not self.keeps_reading)
        if files is None and self.policy.file_attributes and not kept_to_own:
            files = "modes and times of files of its user can be changed: there are no namespaces"
        self.attributes = kept_to_own or self.policy.file_attributes
        calls = self.filter_calls()
        yield Layer.FILES, files
        yield Layer.NETWORK, self.network_problem(files, calls)
        yield Layer.SIGNALS, self.signal_problem(calls)
        yield Layer.SYSTEM_CALLS, calls

    def separate(self) -> str | None:
        """A view and a network of its own."""
        if not self.policy.namespaces:
            return "not asked for"
        own_network = not self.policy.native_ports
        try:
            writable = [
                os.path.realpath(path) if path not in self.policy.granted else path
                for path in self.policy.write
            ]
            namespaces.enter(writable=writable, own_network=own_network)
            os.chdir(os.getcwd())  # noqa: PTH109  the old view's folder is read-only
        except OSError as error:
            return f"the kernel refuses them to this user ({error.strerror})"
        self.own_view = True
        return None

    def bind_lineage(self) -> str | None:
        """Go on in a namespace of processes, so that what is started ends with this."""
        if not self.policy.namespaces or not lineage.begin():
            return "there is no namespace of processes: the host looks for what is left, at its end and at the host's next start"
        lineage.enter(self.parent)
        self.parent, self.own_processes = os.getppid(), True
        return None

    def whom_to_become(self) -> str | None:
        """Empty: another user; None: it is not root, or nobody asks; else why it stays root."""
        if os.geteuid() != 0:
            return None
        if self.policy.uid is None:
            return "it runs as root: no user was given for it"
        needed = chain(own_files.interpreter(), self.policy.read, self.policy.write)
        hidden = privileges.reachable(needed, uid=self.policy.uid, gid=self.policy.gid or self.policy.uid)
        if hidden is not None and not self.abi:
            return f"user {self.policy.uid} cannot read {hidden}, and without Landlock it must not be let"
        self.keeps_reading = hidden is not None
        if self.keeps_reading:
            self.notes.append(
                f"keeps CAP_DAC_READ_SEARCH: user {self.policy.uid} could not read {hidden} otherwise; Landlock limits what it reaches"
            )
        self.own_user = True
        return ""

    def give_up(self) -> None:
        """Another user, no capabilities, no way to gain any, and the end with the host."""
        if os.geteuid() == 0:
            privileges.drop_bounding_set(keep_reading=self.keeps_reading)
        if self.own_user and self.policy.uid is not None:
            gid = self.policy.gid or self.policy.uid
            privileges.become(self.policy.uid, gid, keep_reading=self.keeps_reading)
        privileges.drop_capabilities(keep_reading=self.keeps_reading)
        privileges.no_new_privileges()
        privileges.die_with(self.parent)

    def bind_files(self) -> None:
        """Files, ports and scopes."""
        rules = landlock.Ruleset(self.abi)
        runs = self.policy.processes or bool(self.policy.execute)
        programs = [*own_files.programs()] if runs else []
        runnable = landlock.RUN if runs else landlock.READ
        for path in (*own_files.SYSTEM, own_files.OWN_PROCESS):
            rules.allow(path, runnable, follow=True)
        for path in own_files.interpreter():
            rules.allow(path, runnable, follow=True)
        for path in (*programs, *self.policy.execute):
            rules.allow(path, landlock.RUN, follow=True)
        rules.allow(
            own_files.DISCARD,
            landlock.READ | landlock.WRITE_FILE | landlock.TRUNCATE,
            follow=True,
        )
        for path in self.policy.read:
            self.grant(rules, path, landlock.READ)
        for path in self.policy.write:
            self.grant(rules, path, landlock.WRITE)
        rules.allow_connecting(self.policy.native_ports)
        rules.restrict()
        self.signals_scoped = rules.signals_scoped

    def grant(self, rules: landlock.Ruleset, path: str, rights: int) -> None:
        """Allow one path of the policy; what is not there, or leads through a link, is noted and stays denied."""
        try:
            if not rules.allow(path, rights, follow=path not in self.policy.granted):
                self.notes.append(f"{path} is granted, but is not there")
        except OSError as error:
            self.notes.append(
                f"{path} is granted, but was not opened: {error.strerror} (is a symbolic link on the way?)"
            )

    def filter_calls(self) -> str | None:
        """The filter of system calls."""
        needs = seccomp.FilterNeeds(
            pid=os.getpid(),
            processes=self.policy.processes,
            execute=bool(self.policy.execute),
            connect=bool(self.policy.native_ports),
            accept=self.policy.accept,
            file_attributes=self.attributes,
        )
        try:
            seccomp.install(seccomp.build(needs))
        except (OSError, seccomp.NoFilterError) as error:
            return f"the filter could not be installed ({error})"
        return None

    def network_problem(self, files: str | None, calls: str | None) -> str | None:
        """Without ports of its own seccomp alone denies every connect; with them Landlock must govern ports, and seccomp what is not TCP."""
        if calls is not None:
            return "without the filter of system calls it is not governed"
        if self.policy.native_ports and (files is not None or not landlock.rights_of(self.abi).tcp):
            return "ports are granted, and this kernel's Landlock does not govern ports (6.7 or newer)"
        return None

    def signal_problem(self, calls: str | None) -> str | None:
        """Landlock scopes signals, and a namespace of processes shows no others; seccomp does, as long as there is only one process."""
        if self.signals_scoped or self.own_processes or (calls is None and not self.policy.processes):
            return None
        return "processes are granted, and this kernel's Landlock does not scope signals (6.12 or newer)"


def _tried(step: Callable[[], None]) -> str | None:
    """Run a step; why it failed, or None."""
    try:
        step()
    except (OSError, ValueError) as error:
        return str(error)
    return None
