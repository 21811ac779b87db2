"""Lets a worker enter its sandbox: before it has a second thread, reads a message or imports anything of the plugin.

1. The policy and the broker's socket come in the environment and are taken out of it.
2. Without a policy nothing is applied, and the handshake says nothing of a sandbox.
3. In a namespace of processes it goes on in another process, whose parent is the first one there.
4. Where the sandbox cannot be applied as it is required, the worker ends: its last words say what is missing.
"""

import os
from collections.abc import Callable
from typing import Any

from isp_plugin_sdk.sandbox import BROKER_VARIABLE, POLICY_VARIABLE

_at_the_end: list[Callable[[], None]] = []


def enter(parent: int) -> tuple[dict[str, Any] | None, int]:
    """Apply the policy that the host left; what holds, or None where it left none, and the parent to end with. `PluginSdkError` where the worker must not start."""
    text = os.environ.pop(POLICY_VARIABLE, None)
    number = os.environ.pop(BROKER_VARIABLE, None)
    if text is None:
        return None, parent
    from isp_plugin_sdk.sandbox.apply import apply_policy
    from isp_plugin_sdk.sandbox.policy import Enforcement, SandboxPolicy

    policy = SandboxPolicy.from_json(text)
    before = os.getpid()
    report = apply_policy(policy)
    if number is not None and policy.enforcement is not Enforcement.OFF:
        from isp_plugin_sdk.sandbox.network import install

        _at_the_end.append(install(int(number), policy.native_ports).drain)
    return report.to_dict(), parent if os.getpid() == before else os.getppid()


def drain() -> None:
    """Let what the worker took from a port of its own be answered before it ends."""
    for work in _at_the_end:
        work()
