"""Becomes a program in another language, inside its sandbox: `python -m isp_plugin_sdk.sandbox.launch PARENT PROGRAM [ARGUMENT]...`.

1. The policy comes in the environment, as for a Python worker, and is taken out of it; what holds is written to the socket of `REPORT_VARIABLE`.
2. The program may be become, but nothing else may be started, unless processes are granted.
3. A program that ignores the broker's socket can connect nowhere but to native ports.
"""

import json
import os
import sys

from isp_plugin_sdk.sandbox import BROKER_VARIABLE, POLICY_VARIABLE

REPORT_VARIABLE = "ISP_PLUGIN_SANDBOX_REPORT"


def main(arguments: list[str]) -> None:
    """Enter, report, and become the program."""
    from isp_plugin_sdk.errors import PluginSdkError
    from isp_plugin_sdk.sandbox.apply import apply_policy
    from isp_plugin_sdk.sandbox.policy import SandboxPolicy
    from isp_plugin_sdk.serve.kernel import die_with_parent

    parent, *program = arguments
    policy, told = os.environ.pop(POLICY_VARIABLE), int(os.environ.pop(REPORT_VARIABLE))
    die_with_parent(int(parent))
    try:
        report = apply_policy(SandboxPolicy.from_json(policy))
    except PluginSdkError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(3) from None
    os.write(told, json.dumps(report.to_dict()).encode())
    os.close(told)
    broker = os.environ.get(BROKER_VARIABLE)
    if broker is not None:
        os.set_inheritable(int(broker), True)  # noqa: FBT003  the standard library's signature
    os.execvp(program[0], program)  # noqa: S606  the operator's own program, never through a shell


if __name__ == "__main__":
    main(sys.argv[1:])
