"""The process in which an operator's templates are checked and rendered: one request on standard input, one answer, then its end.

1. Limits are set before anything is read: computing time, memory, no files written, few open. The kernel holds them.
2. The request is `{operation, template, values, limits}`; the answer `{files}`, `{}` or `{error, fields}`, both JSON.
3. It has no environment, no arguments of the server's, and nothing to inherit; what is killed leaves nothing behind.
"""

import json
import resource
import sys
from typing import Any

OUT_OF_MEMORY = "memory"
"""The error of an answer that has no class of its own."""
_STACK = 16 * 1024 * 1024


def main() -> None:
    """Answer one request."""
    limits = json.loads(sys.argv[2])
    restrict(memory_bytes=limits["memory_bytes"], cpu_seconds=limits["cpu_seconds"])
    request = json.load(sys.stdin.buffer)
    try:
        answer = answer_to(request)
    except MemoryError:
        answer = {"error": OUT_OF_MEMORY, "fields": {}}
    sys.stdout.buffer.write(json.dumps(answer).encode())


def restrict(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Bind this process to its limits, for good."""
    for kind, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_STACK, _STACK),
    ):
        resource.setrlimit(kind, (value, value))


def answer_to(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request; what the template did wrong is part of it."""
    from isp_plugins.errors import PluginSystemError
    from isp_plugins.templates import checking, engine
    from isp_plugins.templates.definition import Template
    from isp_plugins.templates.limits import RenderLimits

    template = Template.of(request["template"])
    try:
        if request["operation"] == "check":
            checking.check(template)
            return {}
        return {"files": engine.render(template, request["values"], RenderLimits(**request["limits"]))}
    except PluginSystemError as error:
        return {"error": type(error).__name__, "fields": error.fields}
