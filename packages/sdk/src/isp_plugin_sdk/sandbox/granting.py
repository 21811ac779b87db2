"""Makes a policy of grants: what a worker may do, from what its plugin asked for and the operator accepted. Pure but for `is_link`.

1. Grants of files are checked against what they must never reach: the host's data directory, other processes and the system's own files.
2. No symbolic link may stand on the way: `is_link` is asked for each step of the path, and the child's own opening refuses links once more.
3. All mistakes are reported together.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from isp_plugin_sdk.sandbox.errors import GrantsInvalidError
from isp_plugin_sdk.sandbox.grants import TCP, Grants
from isp_plugin_sdk.sandbox.policy import (
    DEFAULT_FILE_MB,
    DEFAULT_MEMORY_MB,
    DEFAULT_OPEN_FILES,
    Enforcement,
    SandboxPolicy,
)


def policy_of(
    grants: Grants,
    *,
    data_dir: Path,
    own_folder: Path,
    code: tuple[Path, ...] = (),
    enforcement: Enforcement = Enforcement.BEST_EFFORT,
    is_link: Callable[[Path], bool] = os.path.islink,
    **more: Any,
) -> SandboxPolicy:
    """The policy of a plugin with these grants; `own_folder` is its to write, `code` its to read. Raises `GrantsInvalidError`."""
    mistakes = [*_reaching(grants, data_dir, is_link)]
    if mistakes:
        summary = "; ".join(f"{each['path']}: {each['message']}" for each in mistakes)
        raise GrantsInvalidError(summary=summary, mistakes=mistakes)
    return SandboxPolicy(
        enforcement=enforcement,
        read=(*map(str, code), *grants.read),
        write=(str(own_folder), *grants.write),
        granted=(*grants.read, *grants.write),
        native_ports=grants.native_ports,
        accept=any(port.protocol == TCP for port in grants.listen),
        processes=grants.processes,
        memory_mb=grants.memory_mb or DEFAULT_MEMORY_MB,
        cpu_seconds=grants.cpu_seconds,
        open_files=grants.open_files or DEFAULT_OPEN_FILES,
        file_mb=grants.file_mb or DEFAULT_FILE_MB,
        **more,
    )


def _reaching(grants: Grants, data_dir: Path, is_link: Callable[[Path], bool]) -> Iterator[dict[str, Any]]:
    """Every granted path that reaches what must not be reached."""
    for kind, paths in (("read", grants.read), ("write", grants.write)):
        for at, text in enumerate(paths):
            problem = _problem_of(text, data_dir, is_link)
            if problem is not None:
                yield {"path": f"files.{kind}[{at}]", "message": problem}


def _problem_of(text: str, data_dir: Path, is_link: Callable[[Path], bool]) -> str | None:
    """Why one path cannot be granted, or None."""
    path = PurePosixPath(text)
    host = PurePosixPath(os.path.normpath(data_dir))
    if path.is_relative_to(host) or host.is_relative_to(path):
        return f"{text!r} covers the host's data directory or lies in it; a plugin has its own folder there without asking"
    if path.is_relative_to("/proc") or path.is_relative_to("/sys"):
        return f"{text!r} shows other processes or the system; nothing below /proc and /sys can be granted"
    steps = [*reversed(path.parents), path]
    link = next((step for step in steps if is_link(Path(step))), None)
    if link is not None:
        return f"{str(link)!r} is a symbolic link; grant the path that it leads to"
    return None
