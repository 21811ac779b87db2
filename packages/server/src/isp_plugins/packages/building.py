"""Builds the wheel of a plugin's own source: requirements as wheels, then the source's own code without a network.

1. What the build needs is fetched first, wheels only, into an environment of its own that is thrown away with staging.
2. The build runs in a network of its own with nobody in it, in its own process ids where the kernel allows, with a time limit.
   Where the kernel allows neither, it runs all the same, and that is logged.
3. A command has nothing to build: its folder is packed as it is.
"""

import json
import logging
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isp_plugin_sdk.manifest import FILE_NAME
from isp_plugins.packages.errors import BuildFailedError, PackageShapeError
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
_DEFAULT = {"requires": ["setuptools>=40.8.0"], "build-backend": "setuptools.build_meta:__legacy__"}
_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b")
"""The line of a traceback that names the exception."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Backend:
    """The `[build-system]` of a source."""

    requires: list[str]
    name: str
    path: list[str]


async def build_distribution(uv: Uv, source: Path, staging: Path, limits: PackageLimits) -> Path:
    """The wheel of a folder with `pyproject.toml`; `BuildFailedError` with the end of the build's output."""
    backend = _backend_of(source)
    builder = _Builder(uv, source, staging / "build", limits)
    await builder.prepare(backend.requires)
    more = await builder.call("requires", backend)
    if more["value"]:
        await builder.install(_texts(more["value"]))
    built = await builder.call("wheel", backend)
    if not built["without_network"]:
        _logger.warning(
            "The kernel offers no network namespace: %s was built with the network within reach", source.name
        )
    wheel = builder.out / Path(str(built["value"])).name
    if not wheel.is_file():
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


class _Builder:
    def __init__(self, uv: Uv, source: Path, folder: Path, limits: PackageLimits) -> None:
        self._uv = uv
        self._source = source
        self._limits = limits
        self._environment = folder / "environment"
        self._home = folder / "home"
        self.out = folder / "wheel"

    async def prepare(self, requires: list[str]) -> None:
        with telling_full_disk(self._home):
            for folder in (self._home, self.out):
                folder.mkdir(parents=True, exist_ok=True)
        made = await self._uv.run_bare("venv", str(self._environment), "--no-project", folder=self._home)
        if not made.worked:
            refuse_full_disk(made.output, self._home)
            raise BuildFailedError(problem=in_words(made.output), log=())
        if requires:
            await self.install(requires)

    async def install(self, requires: list[str]) -> None:
        file = self._home / "requires.txt"
        file.write_text(
            "".join(f"{' '.join(one.split())}\n" for one in requires if not one.lstrip().startswith("-"))
        )
        done = await self._uv.run(
            "pip", "install", f"--requirement={file}", f"--python={self._environment}", "--only-binary=:all:",
            "--no-sources", folder=self._home,
        )  # fmt: skip
        if not done.worked:
            refuse_full_disk(done.output, self._home)
            raise BuildFailedError(
                problem=f"what the build needs cannot be had: {in_words(done.output)}", log=()
            )

    async def call(self, what: str, backend: _Backend) -> dict[str, Any]:
        """Let the backend answer one question in a process of its own."""
        result, python = self._home / f"{what}.json", self._environment / "bin" / "python"
        bin_first = f"{self._environment / 'bin'}:{base_environment(self._home)['PATH']}"
        finished = await run(
            [str(python), "-I", str(_CHILD), what, backend.name, json.dumps(backend.path), str(self.out), str(result)],
            environment={"PATH": bin_first, "HOME": str(self._home), "TMPDIR": str(self._home), "LANG": "C.UTF-8"},
            folder=self._source,
            timeout_s=self._limits.build_s,
            file_bytes=self._limits.unpacked_bytes,
            log_in=self._home,
        )  # fmt: skip
        if not finished.worked or not result.is_file():
            refuse_full_disk(finished.output, self._home)
            raise self._failure(finished)
        answer: dict[str, Any] = json.loads(result.read_text("utf-8"))
        return answer

    def _failure(self, finished: Finished) -> BuildFailedError:
        lines = [line.rstrip() for line in masked(finished.output).splitlines() if line.strip()]
        raised = [line for line in lines if _RAISED.match(line)]
        problem = (raised or lines or [f"the build backend ended with {finished.code}"])[-1]
        if finished.timed_out:
            problem = f"it took longer than {self._limits.build_s:g} s (ISP_PLUGINS_PACKAGE_BUILD_TIMEOUT)"
        return BuildFailedError(problem=problem[:500], log=tuple(lines[-SHOWN_LOG_LINES:]))
