"""Makes what confines one worker: its policy, its own folder, its broker, and its host calls behind its grants.

1. A program with grants runs in a sandbox; one without (a `module_path` registration: the operator's own code) is trusted as a whole.
2. Where the host is root each plugin has a user of its own, `first_uid` plus its id, if this system has such a user number at all.
3. The plugin's own folder, below the data directory, is all that it can write; HOME and TMPDIR lead there. It survives restarts and upgrades.
4. Secrets that are not granted are left out of the configuration, whenever it is handed over.
5. A worker that does not say that it entered its sandbox did not: with `require` it is not used.
6. Less than the full sandbox is said in the plugin's log at each start.
"""

import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isp_plugin_sdk.context import HostCalls
from isp_plugin_sdk.sandbox import BROKER_VARIABLE, POLICY_VARIABLE
from isp_plugin_sdk.sandbox.granting import policy_of
from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugin_sdk.sandbox.launch import REPORT_VARIABLE
from isp_plugin_sdk.sandbox.policy import DEFAULT_MEMORY_MB, DEFAULT_OPEN_FILES, Enforcement, SandboxPolicy
from isp_plugin_sdk.sandbox.privileges import exists_here
from isp_plugin_sdk.sandbox.report import BEYOND, Level
from isp_plugins.contracts.grants import Denial
from isp_plugins.contracts.runtime import StartRequest
from isp_plugins.contracts.worker import WorkerProgram
from isp_plugins.runtime.worker.broker import WorkerBroker
from isp_plugins.runtime.worker.grant_check import GrantCheck
from isp_plugins.runtime.worker.granted_calls import GrantedHostCalls
from isp_plugins.runtime.worker.listeners import Listeners

FOLDERS = "workers"
"""Below the data directory: one folder for each plugin, named by its id."""
MAX_REPORT = 65536
NOT_ENTERED: Mapping[str, Any] = {
    "level": Level.NONE.value,
    "holds": [],
    "missing": [],
    "notes": ["the worker does not say that it entered its sandbox"],
}


@dataclass(slots=True)
class Confinement:
    """What confines one worker; `close` once it is over."""

    policy: SandboxPolicy
    host: HostCalls
    check: GrantCheck
    on_denial: Callable[[Denial], None]
    environment: dict[str, str]
    broker: WorkerBroker
    given: list[socket.socket] = field(default_factory=list)
    """Sockets that the child inherits; closed here once it has them."""
    report_from: socket.socket | None = None
    """Where the launcher of a program in another language says what holds."""

    def hand_over(self, *, launched: bool) -> tuple[int, ...]:
        """Open what the child inherits, and tell it the numbers."""
        channel = self.broker.open()
        self.given = [channel]
        self.environment[BROKER_VARIABLE] = str(channel.fileno())
        if launched:
            self.report_from, told = socket.socketpair()
            self.report_from.settimeout(0)
            self.given.append(told)
            self.environment[REPORT_VARIABLE] = str(told.fileno())
        return tuple(each.fileno() for each in self.given)

    def handed_over(self) -> None:
        """The child has its own by now."""
        for each in self.given:
            each.close()
        self.given = []

    def configuration(self, values: Mapping[str, Any], secret_keys: frozenset[str]) -> dict[str, Any]:
        """The configuration without the secrets that are not granted."""
        kept, denials = self.check.configuration(values, secret_keys)
        for denial in denials:
            self.on_denial(denial)
        return kept

    def report(self, handshake: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the worker says that holds."""
        told: Any = handshake.get("sandbox")
        if self.report_from is not None:
            try:
                told = json.loads(self.report_from.recv(MAX_REPORT))
            except (OSError, ValueError):
                told = None
        return told if isinstance(told, dict) and "level" in told else NOT_ENTERED

    def why_not_used(self, report: Mapping[str, Any]) -> str | None:
        """Why a worker with this report must not be used, or None."""
        if self.policy.enforcement is not Enforcement.REQUIRE or report["level"] == Level.FULL.value:
            return None
        return (
            f"the sandbox is required (ISP_PLUGINS_SANDBOX=require), and it is {report['level']}: {lacking_of(report)}; "
            "mend that, or set ISP_PLUGINS_SANDBOX=best-effort to run it with what there is"
        )

    def close(self) -> None:
        """Stop connecting for it."""
        self.handed_over()
        self.broker.close()
        if self.report_from is not None:
            self.report_from.close()


def lacking_of(report: Mapping[str, Any]) -> str:
    """What a report says that is missing of the full set, in words; its notes where it names no layer."""
    lacking = [
        f"{each['layer']} ({each['why']})" for each in report["missing"] if each["layer"] not in BEYOND
    ]
    return "; ".join(lacking or report["notes"])


@dataclass(frozen=True, slots=True)
class Confiner:
    """Confines workers as the operator's settings say."""

    data_dir: Path
    enforcement: Enforcement
    first_uid: int
    """User number of the plugin with id 0, where the host is root; 0: workers stay root."""
    on_denial: Callable[[int, str, Denial], None]
    listeners: Listeners = field(default_factory=Listeners)
    """The ports that it listens on for its workers."""

    def confine(self, request: StartRequest, program: WorkerProgram) -> Confinement | None:
        """What confines this worker; None for a program without grants. `GrantsInvalidError` where the grants reach too far, `OSError`."""
        grants = program.grants
        if grants is None:
            return None
        uid = self._uid(request.plugin_id)
        folder = own_folder(self.data_dir, request.plugin_id)
        _make(folder, uid)

        def deny(denial: Denial) -> None:
            self.on_denial(request.plugin_id, request.plugin_name, denial)

        policy = self._policy(grants, program, folder, uid)
        check = GrantCheck.of(grants)
        environment = {"HOME": str(folder), "TMPDIR": str(folder / "tmp"), POLICY_VARIABLE: policy.to_json()}
        host = GrantedHostCalls(request.host, check, deny)
        broker = WorkerBroker(grants, deny, plugin_id=request.plugin_id, listeners=self.listeners)
        return Confinement(policy, host, check, deny, environment, broker)

    def _policy(self, grants: Grants, program: WorkerProgram, folder: Path, uid: int | None) -> SandboxPolicy:
        limits = program.limits
        policy = policy_of(
            grants,
            data_dir=self.data_dir,
            own_folder=folder,
            code=(program.folder,),
            enforcement=self.enforcement,
            uid=uid,
            gid=uid,
            threads=limits.threads,
        )
        return policy._replace(
            execute=(program.argv[0],) if program.speaks_over_stdio else (),
            memory_mb=limits.memory_mb or grants.memory_mb or DEFAULT_MEMORY_MB,
            open_files=limits.open_files or grants.open_files or DEFAULT_OPEN_FILES,
        )

    def _uid(self, plugin_id: int) -> int | None:
        if os.geteuid() != 0 or not self.first_uid:
            return None
        uid = self.first_uid + plugin_id
        return uid if exists_here(uid) else None


def own_folder(data_dir: Path, plugin_id: int) -> Path:
    """The folder that is a plugin's own to write."""
    return data_dir.absolute() / FOLDERS / str(plugin_id)


def _make(folder: Path, uid: int | None) -> None:
    """Make the folder and the one for temporary files in it, for that user alone."""
    for each in (folder, folder / "tmp"):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
        if uid is not None:
            os.chown(each, uid, uid, follow_symlinks=False)
