"""The server's half of rendering: a child process for each request, bounded, killed when its time is up.

1. A text of an operator's template is never parsed, compiled or run in the server's process; patterns of its variables neither.
2. The child's answer is data to be judged: read up to a limit, and its paths are checked again.
3. A few children at once; who comes later waits its turn.
"""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from isp_plugins.errors import PluginSystemError
from isp_plugins.templates import errors, paths
from isp_plugins.templates.child import OUT_OF_MEMORY
from isp_plugins.templates.definition import Template
from isp_plugins.templates.limits import MIB, RenderLimits

CHILDREN = 2
_ANSWER_FACTOR = 6
"""A character of output may take six bytes of JSON."""
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from isp_plugins.templates.child import main; main()"
_ERRORS = {
    kind.__name__: kind
    for kind in (
        errors.RenderError,
        errors.RenderLimitError,
        errors.TemplateInvalidError,
        errors.TemplateTooLargeError,
        errors.VariablesInvalidError,
    )
}
"""What a child may answer with."""


class Renderer:
    """Checks and renders templates apart from the server."""

    def __init__(self, limits: RenderLimits | None = None) -> None:
        self.limits = limits or RenderLimits()
        self._places = asyncio.Semaphore(CHILDREN)

    async def check(self, template: Template) -> None:
        """Return where the template can be kept; `TemplateTooLargeError`, `TemplateInvalidError`, `RenderLimitError`."""
        await self._ask("check", template, {})

    async def render(self, template: Template, values: Mapping[str, Any]) -> dict[str, str]:
        """Every file by its path; `VariablesInvalidError`, `RenderError`, `RenderLimitError`."""
        answer = await self._ask("render", template, values)
        files = {str(path): str(text) for path, text in answer["files"].items()}
        if mistakes := paths.mistakes_in(files):
            summary = "; ".join(f"{each['path']}: {each['message']}" for each in mistakes)
            raise errors.RenderError(name=template.name, summary=summary, mistakes=mistakes)
        return files

    async def _ask(self, operation: str, template: Template, values: Mapping[str, Any]) -> dict[str, Any]:
        request = {"operation": operation, "template": template.to_dict(), "values": dict(values)}
        body = json.dumps(request | {"limits": asdict(self.limits)}).encode()
        async with self._places:
            raw, code = await self._run(template.name, body)
        answer = _parsed(raw) if code == 0 else None
        if answer is None:
            raise errors.RenderLimitError(name=template.name, reason=self._ending(code))
        if "error" in answer:
            raise self._error(template.name, answer)
        return answer

    async def _run(self, name: str, body: bytes) -> tuple[bytes, int]:
        """What a child wrote, and how it ended; the child is gone when this returns, whatever happened."""
        process = await self._started()
        try:
            async with asyncio.timeout(self.limits.wall_seconds):
                raw = await self._talk(process, body)
                return raw, await process.wait()
        except TimeoutError:
            reason = f"it gave no answer within {self.limits.wall_seconds:g} s"
            raise errors.RenderLimitError(name=name, reason=reason) from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())

    async def _started(self) -> Process:
        """A child that waits for its request; it inherits no environment and no open file."""
        path = json.dumps([entry for entry in sys.path if entry])
        limits = json.dumps(asdict(self.limits))
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _START, path, limits,
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}, cwd="/", start_new_session=True,
        )  # fmt: skip

    async def _talk(self, process: Process, body: bytes) -> bytes:
        """Hand over the request and read the answer, up to what an honest one can have."""
        assert process.stdin is not None, "the child was started with pipes"  # noqa: S101  narrows the type
        assert process.stdout is not None, "the child was started with pipes"  # noqa: S101  narrows the type
        with suppress(ConnectionError):
            process.stdin.write(body)
            await process.stdin.drain()
        process.stdin.close()
        limit = self.limits.output_bytes * _ANSWER_FACTOR + MIB
        parts: list[bytes] = []
        while part := await process.stdout.read(65_536):
            parts.append(part)
            limit -= len(part)
            if limit < 0:
                process.kill()
                break
        return b"".join(parts)

    def _ending(self, code: int) -> str:
        """Why a child gave no answer, from how it ended."""
        if code in {-signal.SIGXCPU, -signal.SIGKILL}:
            return f"it took more than {self.limits.cpu_seconds} s of computing time"
        return f"it needs more than {self.limits.memory_bytes // MIB} MiB of memory, or nests too deep (the renderer ended with {code})"

    def _error(self, name: str, answer: Mapping[str, Any]) -> PluginSystemError:
        """The error that a child reported."""
        if answer["error"] == OUT_OF_MEMORY:
            reason = f"it needs more than {self.limits.memory_bytes // MIB} MiB of memory"
            return errors.RenderLimitError(name=name, reason=reason)
        return _ERRORS[answer["error"]](**answer["fields"])


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(raw)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
