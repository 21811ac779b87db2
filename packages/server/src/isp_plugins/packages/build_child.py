"""Runs one hook of a build backend (PEP 517), in its sandbox; started by `building` with the build environment's own Python.

    python -I build_child.py requires|wheel BACKEND BACKEND_PATH OUT RESULT SDK POLICY

1. Standard library only, and of this product nothing but the sandbox, which is read from the folder SDK and forgotten before the backend is imported.
2. With the sandbox switched off the network is left all the same, where the kernel allows.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

_NEW_USER, _NEW_PID, _NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
_PR_SET_PDEATHSIG = 1
_PRODUCT = "isp_plugin_sdk"


def main(arguments: list[str]) -> int:
    """Enter the sandbox, then call the backend."""
    what, backend, places, out, result, sdk, policy = arguments
    holds = _enter(sdk, policy)
    sys.path[:0] = [os.path.realpath(place) for place in json.loads(places)]
    value = _call(backend, what, out)
    Path(result).write_text(json.dumps({"value": value, **holds}), encoding="utf-8")
    return 0


def _enter(sdk: str, policy: str) -> dict[str, Any]:
    """Be bound; whether the network is out of reach, and what is lacking of the sandbox. Ends where it is required and cannot be had."""
    sys.path.insert(0, sdk)
    from isp_plugin_sdk.errors import PluginSdkError
    from isp_plugin_sdk.sandbox.apply import apply_policy
    from isp_plugin_sdk.sandbox.policy import Enforcement, SandboxPolicy

    sys.path.remove(sdk)
    wanted = SandboxPolicy.from_json(policy)
    try:
        report = apply_policy(wanted)
    except PluginSdkError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(3) from None
    finally:
        for name in [each for each in sys.modules if each.partition(".")[0] == _PRODUCT]:
            del sys.modules[name]
    if wanted.enforcement is Enforcement.OFF:
        return {"without_network": _leave_the_network(), "lacking": ""}
    without = bool({"network", "namespaces"} & {layer.value for layer in report.holds})
    return {"without_network": without, "lacking": report.lacking}


def _leave_the_network() -> bool:
    """A network namespace with nothing in it, and process ids that all end with this process, where the kernel allows."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    for flags in (_NEW_NETWORK | _NEW_PID, _NEW_NETWORK | _NEW_PID | _NEW_USER, _NEW_NETWORK | _NEW_USER):
        if libc.unshare(flags) != 0:
            continue
        if flags & _NEW_USER:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        if flags & _NEW_PID:
            _go_on_in_a_child(libc)
        return True
    return False


def _go_on_in_a_child(libc: ctypes.CDLL) -> None:
    """The child is the first process of the new namespace: whatever it starts ends with it, and it ends with us."""
    child = os.fork()
    if child == 0:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        return
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _call(backend: str, what: str, out: str) -> Any:
    module, _, attribute = backend.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split(".") if attribute else ():
        found = getattr(found, part)
    if what == "requires":
        hook = getattr(found, "get_requires_for_build_wheel", None)
        return list(hook(None)) if hook else []
    return found.build_wheel(out, None, None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
