"""A plugin's host calls behind its grants: what is not granted is refused in the host, and told."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from isp_plugin_sdk.context import HostCalls
from isp_plugin_sdk.errors import NotGrantedError
from isp_plugins.contracts.grants import Denial
from isp_plugins.runtime.worker.grant_check import GrantCheck


class GrantedHostCalls:
    """`HostCalls` that asks the check first; every refusal is a `NotGrantedError`, in the plugin too."""

    def __init__(self, host: HostCalls, check: GrantCheck, on_denial: Callable[[Denial], None]) -> None:
        self._host = host
        self._check = check
        self._on_denial = on_denial

    async def storage_get(self, key: str) -> Any:
        """The stored value, or None."""
        self._require(self._check.storage())
        return await self._host.storage_get(key)

    async def storage_set(self, key: str, value: Any) -> None:
        """Store a JSON value."""
        self._require(self._check.storage())
        await self._host.storage_set(key, value)

    async def storage_delete(self, key: str) -> bool:
        """Drop a key; whether it was there."""
        self._require(self._check.storage())
        return await self._host.storage_delete(key)

    async def storage_list(self, prefix: str) -> list[str]:
        """The stored keys that begin with the prefix, in order."""
        self._require(self._check.storage())
        return await self._host.storage_list(prefix)

    async def once_seen(self, mark: str) -> bool:
        """Whether what this mark names was done."""
        self._require(self._check.storage())
        return await self._host.once_seen(mark)

    async def once_commit(self, mark: str, writes: Sequence[tuple[str, str, Any]]) -> bool:
        """Set the mark and write, all or nothing; False where it is set already."""
        self._require(self._check.storage())
        return await self._host.once_commit(mark, writes)

    async def dispatch(self, hook: str, payload: Any, context: Mapping[str, Any] | None) -> dict[str, Any]:
        """Dispatch a hook and return the result as a dict."""
        self._require(self._check.dispatch(hook))
        return await self._host.dispatch(hook, payload, context)

    async def emit(self, hook: str, payload: Any) -> None:
        """Dispatch a hook without waiting for its result."""
        self._require(self._check.emit(hook))
        await self._host.emit(hook, payload)

    def _require(self, denial: Denial | None) -> None:
        if denial is not None:
            self._on_denial(denial)
            raise NotGrantedError(what=f"the host call {denial.what}", grant=denial.grant)
