"""Picks where a plugin runs: in a worker where the request says how to start one, else in process."""

from isp_plugins.contracts.runtime import Migrated, Migrates, RunningPlugin, Runtime, StartRequest


class RuntimeByKind:
    """Both runtimes behind one; implements `contracts.runtime.Runtime`."""

    def __init__(self, *, in_process: Runtime, worker: Runtime) -> None:
        self._in_process = in_process
        self._worker = worker

    async def start(self, request: StartRequest) -> RunningPlugin:
        """Bring a plugin up where it belongs."""
        runtime = self._in_process if request.program is None else self._worker
        return await runtime.start(request)

    async def migrate(self, request: StartRequest, from_version: str) -> Migrated:
        """Let the plugin bring another version's configuration up to date, where its runtime can."""
        runtime = self._in_process if request.program is None else self._worker
        if not isinstance(runtime, Migrates):
            return Migrated(request.config, None)
        return await runtime.migrate(request, from_version)
