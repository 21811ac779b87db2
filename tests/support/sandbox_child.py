"""Applies a policy to itself, runs pieces of code under it and tells how each ended: `{report, outcomes: {name: {error, errno, text, value}}}`."""

import contextlib
import ctypes
import json
import os
import sys

request = json.loads(sys.argv[1])
sys.path.insert(0, request["kit"])

from isp_plugin_sdk.sandbox import network  # noqa: E402  found in the kit
from isp_plugin_sdk.sandbox.apply import apply_policy  # noqa: E402  found in the kit
from isp_plugin_sdk.sandbox.policy import SandboxPolicy  # noqa: E402  found in the kit

for name in request["imports"]:
    __import__(name)
libc = ctypes.CDLL(None, use_errno=True)


def syscall(number, *arguments):
    """A bare system call; integers as longs."""
    result = libc.syscall(
        ctypes.c_long(number), *(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    )
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def outcome_of(code):
    space = {"target": request["target"], "syscall": syscall, "ctypes": ctypes, "libc": libc}
    try:
        exec(compile(code, "<attack>", "exec"), space)
    except BaseException as error:
        return {"error": type(error).__name__, "errno": getattr(error, "errno", None), "text": str(error)}
    return {"error": None, "errno": None, "text": "", "value": space.get("value")}


os.umask(0o077)
os.chdir(request["folder"])
try:
    report = apply_policy(SandboxPolicy.from_json(request["policy"])).to_dict()
except Exception as error:
    print(json.dumps({"report": None, "refused": f"{type(error).__name__}: {error}", "outcomes": {}}))
    sys.exit(3)
if request["broker"] is not None:
    network.install(request["broker"], json.loads(request["policy"])["native_ports"])
outcomes = {name: outcome_of(code) for name, code in request["pieces"].items()}
with contextlib.suppress(BrokenPipeError):
    print(json.dumps({"report": report, "outcomes": outcomes}), flush=True)
os._exit(0)
