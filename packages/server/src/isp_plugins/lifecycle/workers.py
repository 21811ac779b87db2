"""Gathers what is shown of plugins' workers: from the supervisor, recovery, breakers and the deaths so far."""

from isp_plugins.contracts.vocabulary import RuntimeKind
from isp_plugins.contracts.worker import Death, WorkerLimits
from isp_plugins.db.paging import Page
from isp_plugins.lifecycle.errors import WorkerlessError
from isp_plugins.lifecycle.records import PluginRecord
from isp_plugins.lifecycle.stage import Stage
from isp_plugins.lifecycle.worker_views import SampleView, WorkerView
from isp_plugins.runtime.worker.supervisor import Watched


def worker_of(stage: Stage, plugin_id: int) -> WorkerView | None:
    """A plugin's worker, down or not; None where it runs in process."""
    record, watched = stage.directory.get(plugin_id), stage.supervisor.of(plugin_id)
    if watched is None and record.runtime is not RuntimeKind.PROCESS and not stage.deaths.of(plugin_id):
        return None
    return _view(stage, record, watched)


class Workers:
    """The workers of this node, for whoever shows them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def of(self, plugin_id: int) -> WorkerView:
        """A plugin's worker as it was seen last; `WorkerlessError` where the plugin runs in process."""
        found = worker_of(self._stage, plugin_id)
        if found is None:
            raise WorkerlessError(name=self._stage.directory.get(plugin_id).name, plugin_id=plugin_id)
        return found

    def all(self) -> list[WorkerView]:
        """Every worker, those that are down too, by the names of their plugins."""
        found = (worker_of(self._stage, record.id) for record in self._stage.directory)
        return sorted((view for view in found if view is not None), key=lambda view: view.name)

    async def deaths(self, plugin_id: int, *, page: int = 1, size: int = 50) -> Page[Death]:
        """How a plugin's workers ended that nobody asked to, newest first; the last ones are kept."""
        self._stage.directory.get(plugin_id)
        return await self._stage.deaths.page(plugin_id, page=page, size=size)


def _view(stage: Stage, record: PluginRecord, watched: Watched | None) -> WorkerView:
    worker = watched.worker if watched else None
    return WorkerView(
        plugin_id=record.id,
        name=record.name,
        state=record.state,
        pid=worker.pid if worker else None,
        started_at=worker.started_at if worker else None,
        uptime_s=max(0.0, (stage.clock.now() - worker.started_at).total_seconds()) if worker else None,
        restarts=stage.recovery.restarts(record.id).total,
        sample=_sample(watched),
        limits=watched.limits if watched else stage.supervisor.limits(WorkerLimits()),
        warnings=(*(watched.warnings if watched else ()), *stage.deaths.told(record.id)),
        throttled=worker.throttled if worker else {},
        deaths=stage.deaths.of(record.id),
        breaker=stage.breakers.view(record.id),
    )


def _sample(watched: Watched | None) -> SampleView | None:
    if watched is None or watched.sampled_at is None or not watched.samples:
        return None
    last = watched.samples[-1]
    return SampleView(watched.sampled_at, last.use, last.cpu_percent)
