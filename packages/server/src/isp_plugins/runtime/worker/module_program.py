"""How a module of the plugin path is started in a worker: with the host's own interpreter, which has the SDK."""

import sys
from collections.abc import Sequence
from pathlib import Path

from isp_plugins.contracts.worker import WorkerProgram
from isp_plugins.runtime import names, search

_KEPT = "--kept"


def module_program(
    module_path: str,
    entry_point: str,
    *,
    folders: Sequence[Path],
    version: str = "",
    kept: Path | None = None,
) -> WorkerProgram:
    """The program of a `module_path` registration; what is wrong with its names, or a file that is missing, is told as in process.

    With a copy of its code (`kept_code`) that is what runs, else what lies on the disk.
    No bytecode is written beside the plugin's files, so that a change within the same second never runs old code.
    """
    names.parse_module_path(module_path)
    names.check_entry_point(entry_point)
    real = search.real_folders(folders)
    search.require_module(module_path, entry_point, real)
    paths = [argument for folder in real for argument in ("--path", folder)]
    if kept is not None:
        paths += [_KEPT, str(kept)]
    argv = (sys.executable, "-I", "-B", "-m", "isp_plugin_sdk.serve", *paths)
    return WorkerProgram((*argv, f"{module_path}:{entry_point}"), folder=Path(real[0]), version=version)


def kept_of(program: WorkerProgram) -> Path | None:
    """The copy of its code that a program runs."""
    argv = program.argv
    return Path(argv[argv.index(_KEPT) + 1]) if _KEPT in argv else None
