"""How a plugin's worker is started, from its registration; behind `lifecycle.launching.ProgramOf`."""

from collections.abc import Sequence
from pathlib import Path

from isp_plugins.contracts.vocabulary import RuntimeKind
from isp_plugins.contracts.worker import WorkerProgram
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.runtime.worker.module_program import module_program


class Programs:
    """Knows the modules of the plugin path."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)

    def __call__(self, record: PluginRecord) -> WorkerProgram | None:
        """The program of a plugin that runs in a process of its own."""
        if record.runtime is not RuntimeKind.PROCESS:
            return None
        return module_program(
            record.module_path, record.entry_point, folders=self._folders, version=record.version
        )
