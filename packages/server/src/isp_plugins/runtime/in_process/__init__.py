"""Runs plugins inside the host's own process: coroutine functions on its loop, plain ones in daemon threads."""

from isp_plugins.runtime.in_process.runtime import InProcessRuntime
from isp_plugins.runtime.names import mistake_in_entry_point, mistake_in_module_path

__all__ = ["InProcessRuntime", "mistake_in_entry_point", "mistake_in_module_path"]
