"""Runs each plugin in a process of its own, and speaks the worker protocol with it."""

from isp_plugins.runtime.worker.errors import WorkerDiedError
from isp_plugins.runtime.worker.limits import WorkerSettings
from isp_plugins.runtime.worker.plugin import WorkerPlugin
from isp_plugins.runtime.worker.runtime import WorkerRuntime

__all__ = ["WorkerDiedError", "WorkerPlugin", "WorkerRuntime", "WorkerSettings"]
