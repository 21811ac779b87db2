"""Builds the wheel of a plugin's own source: requirements as wheels, then the source's own code in a sandbox, without a network.

1. What the build needs is fetched first, wheels only, into an environment of its own that is thrown away with staging.
2. The build runs in the sandbox of `build_policy`, with a time limit. What the kernel lacks of it is logged, and with `require` nothing is built.
3. What the build wrote is a stranger's: no link is followed and no shape believed. Folders in which the host's own tools work are not the build's to write.
4. A command has nothing to build: its folder is packed as it is.
"""

import json
import logging
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import isp_plugin_sdk
from isp_plugin_sdk.manifest import FILE_NAME
from isp_plugins.packages.build_policy import BuildSandbox
from isp_plugins.packages.errors import BuildFailedError, PackageShapeError
from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.limits import SHOWN_LOG_LINES, PackageLimits
from isp_plugins.packages.manifests import GROUP, parse
from isp_plugins.packages.masking import masked
from isp_plugins.packages.moving import telling_full_disk
from isp_plugins.packages.processes import Finished, run
from isp_plugins.packages.refusals import in_words, refuse_full_disk
from isp_plugins.packages.tool_environment import base_environment
from isp_plugins.packages.uv_tool import Uv
from isp_plugins.packages.wheel_writer import About, Content, write_wheel
from isp_plugins.packages.wheels import check_wheel

_CHILD = Path(__file__).with_name("build_child.py")
_SDK = Path(isp_plugin_sdk.__file__).parents[1]
MAX_ANSWER = 1024 * 1024
"""Bytes of what a build answers that are read."""
_DEFAULT = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}
_EDGES = (".git", ".hg")
"""Empty folders above the source, at which a backend stops to look for the repository that it lies in: the data directory may lie in one."""
_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b")
"""The line of a traceback that names the exception."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Backend:
    """The `[build-system]` of a source."""

    requires: list[str]
    name: str
    path: list[str]


async def build_distribution(
    uv: Uv, source: Path, staging: Path, limits: PackageLimits, sandbox: BuildSandbox
) -> Path:
    """The wheel of a folder with `pyproject.toml`; `BuildFailedError` with the end of the build's output."""
    backend = _backend_of(source)
    builder = _Builder(uv, source, staging / "build", limits, sandbox)
    await builder.prepare(backend.requires)
    more = await builder.call("requires", backend)
    if more.value:
        await builder.install(_requirements(more.value))
    built = await builder.call("wheel", backend)
    if not built.without_network:
        _logger.warning(
            "The kernel offers no network namespace: %s was built with the network within reach", source.name
        )
    if built.lacking:
        _logger.warning("%s was built in a sandbox that lacks %s", source.name, built.lacking)
    wheel = builder.out / Path(str(built.value)).name
    if wheel.is_symlink() or not wheel.is_file():
        raise BuildFailedError(problem="the build backend named no wheel that it wrote", log=())
    check_wheel(wheel, limits)
    return wheel


def pack_command(folder: Path, staging: Path, limits: PackageLimits) -> Path:
    """The wheel of a folder with `plugin.toml` at its top."""
    manifest = parse((folder / FILE_NAME).read_bytes())
    if manifest.command is None:
        raise PackageShapeError(
            problem="a plugin in Python is a distribution with pyproject.toml; a folder with plugin.toml alone needs a command in it"
        )
    package = manifest.name.replace("-", "_")
    files = {
        f"{package}/{path.relative_to(folder).as_posix()}": Content(
            path.read_bytes(), executable=bool(path.stat().st_mode & 0o100)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    about = About(
        manifest.name,
        manifest.version,
        summary=manifest.display_name,
        entry_points=f"[{GROUP}]\n{manifest.name} = {package}\n",
    )
    out = staging / "wheel"
    out.mkdir(exist_ok=True)
    with telling_full_disk(staging):
        wheel = write_wheel(out, about, files)
    check_wheel(wheel, limits)
    return wheel


def _backend_of(source: Path) -> _Backend:
    file = source / "pyproject.toml"
    try:
        text = file.read_text("utf-8") if file.is_file() else ""
        system: Any = tomllib.loads(text).get("build-system", _DEFAULT)
        name = system.get("build-backend", _DEFAULT["build-backend"])
        backend = _Backend(_texts(system["requires"]), str(name), _texts(system.get("backend-path", [])))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = f"its pyproject.toml has no readable [build-system] ({error})"
        raise BuildFailedError(problem=problem, log=()) from error
    for place in backend.path:
        if not (source / place).resolve().is_relative_to(source.resolve()):
            raise BuildFailedError(problem=f"backend-path leaves the source: {place!r}", log=())
    return backend


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError("expected a list of texts")
    return value


def _requirements(value: Any) -> list[str]:
    """What a build says that it needs more."""
    try:
        return _texts(value)
    except TypeError as error:
        raise BuildFailedError(problem=f"its backend's requirements: {error}", log=()) from error


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a build wrote; a stranger's words."""

    value: Any
    without_network: bool
    lacking: str


def _answer_in(file: Path) -> _Answer | None:
    """Read it; None for what is no answer."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            told = json.loads(stream.read(MAX_ANSWER))
        return _Answer(told["value"], bool(told["without_network"]), str(told["lacking"])[:500])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


class _Builder:
    """The folders of one build: those of the host's tools, and those that the build itself may write."""

    def __init__(
        self, uv: Uv, source: Path, folder: Path, limits: PackageLimits, sandbox: BuildSandbox
    ) -> None:
        self._uv = uv
        self._sandbox = sandbox
        self._source = source
        self._limits = limits
        self._environment = folder / "environment"
        self._tools = folder / "tools"
        self._home = folder / "home"
        self.out = folder / "wheel"

    async def prepare(self, requires: list[str]) -> None:
        with telling_full_disk(self._tools):
            for folder in (
                self._tools,
                self._home,
                self.out,
                *(self._source.parent / edge for edge in _EDGES),
            ):
                folder.mkdir(parents=True, exist_ok=True)
        made = await self._uv.run_bare("venv", str(self._environment), "--no-project", folder=self._tools)
        if not made.worked:
            refuse_full_disk(made.output, self._tools)
            raise BuildFailedError(problem=in_words(made.output), log=())
        if requires:
            await self.install(requires)

    async def install(self, requires: list[str]) -> None:
        file = self._tools / "requires.txt"
        file.write_text(
            "".join(f"{' '.join(one.split())}\n" for one in requires if not one.lstrip().startswith("-"))
        )
        done = await self._uv.run(
            "pip", "install", f"--requirement={file}", f"--python={self._environment}", "--only-binary=:all:",
            "--no-sources", folder=self._tools,
        )  # fmt: skip
        if not done.worked:
            refuse_full_disk(done.output, self._tools)
            raise BuildFailedError(
                problem=f"what the build needs cannot be had: {in_words(done.output)}", log=()
            )

    async def call(self, what: str, backend: _Backend) -> _Answer:
        """Let the backend answer one question in a process of its own."""
        result, python = self._home / f"{what}.json", self._environment / "bin" / "python"
        host_path = base_environment(self._home)["PATH"]
        own = (self._source, self._home, self.out)
        await in_thread(self._sandbox.give, *own)
        policy = self._sandbox.policy(
            own, path=host_path, file_bytes=self._limits.unpacked_bytes, build_s=self._limits.build_s
        )
        finished = await run(
            [str(python), "-I", str(_CHILD), what, backend.name, json.dumps(backend.path), str(self.out), str(result), str(_SDK), policy.to_json()],
            environment={
                "PATH": f"{self._environment / 'bin'}:{host_path}", "HOME": str(self._home), "TMPDIR": str(self._home), "LANG": "C.UTF-8",
            },
            folder=self._source,
            timeout_s=self._limits.build_s,
            file_bytes=self._limits.unpacked_bytes,
            log_in=self._tools,
        )  # fmt: skip
        answer = _answer_in(result) if finished.worked else None
        if answer is None:
            refuse_full_disk(finished.output, self._tools)
            raise self._failure(finished)
        return answer

    def _failure(self, finished: Finished) -> BuildFailedError:
        lines = [line.rstrip() for line in masked(finished.output).splitlines() if line.strip()]
        raised = [line for line in lines if _RAISED.match(line)]
        problem = (raised or lines or [f"the build backend ended with {finished.code}"])[-1]
        if finished.timed_out:
            problem = f"it took longer than {self._limits.build_s:g} s (ISP_PLUGINS_PACKAGE_BUILD_TIMEOUT)"
        return BuildFailedError(problem=problem[:500], log=tuple(lines[-SHOWN_LOG_LINES:]))
