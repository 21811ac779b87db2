"""Every plugin as it is now, in memory: never stale on its own node, and ready to be sent.

1. A record is put here in the same step in which its change is committed; what is read here needs no database.
2. What depends on others (how needs are met, and health) is filled in here, again for everyone whom a change touches.
3. A list is sorted once for each (filters, sort) and kept until anything changes; a page is a slice of it.
4. A filter or sort key that is not known is refused, and so is a value that a filter cannot take.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import orjson
from packaging.version import InvalidVersion, Version

from isp_plugins.contracts.vocabulary import Desired, HealthStatus, PluginType, State
from isp_plugins.db.paging import Page, page_of
from isp_plugins.lifecycle.dependencies import (
    DependencyKind,
    Peer,
    dependants,
    python_version_of,
    satisfaction,
)
from isp_plugins.lifecycle.errors import FilterUnknownError, PluginNotFoundError, SortUnknownError
from isp_plugins.lifecycle.health import summary_of
from isp_plugins.lifecycle.records import PluginRecord

LISTS_KEPT = 64
"""How many sorted lists are kept between changes."""

_NOTHING: Mapping[str, PluginRecord | None] = MappingProxyType({})
Filter = Callable[[PluginRecord, str], bool]
SortKey = Callable[[PluginRecord], Any]


def _holds(plugin: PluginRecord, text: str) -> bool:
    wanted = text.casefold()
    return any(
        wanted in part.casefold()
        for part in (plugin.name, plugin.display_name, plugin.description, plugin.author)
    )


@lru_cache(maxsize=4096)
def _version_key(text: str) -> tuple[int, Any]:
    try:
        return (1, Version(text))
    except InvalidVersion:
        return (0, text)


FILTERS: Mapping[str, Filter] = {
    "name": lambda plugin, value: plugin.name == value,
    "plugin_type": lambda plugin, value: plugin.plugin_type == value,
    "state": lambda plugin, value: plugin.state == value,
    "desired": lambda plugin, value: plugin.desired == value,
    "health": lambda plugin, value: plugin.health.status == value,
    "author": lambda plugin, value: plugin.author == value,
    "q": _holds,
}
"""`q` looks for text in name, display name, description and author; the others compare."""

_CHOICES: Mapping[str, type[StrEnum]] = {
    "plugin_type": PluginType,
    "state": State,
    "desired": Desired,
    "health": HealthStatus,
}

SORTS: Mapping[str, SortKey] = {
    "id": lambda plugin: plugin.id,
    "name": lambda plugin: plugin.name,
    "display_name": lambda plugin: plugin.display_name.casefold(),
    "version": lambda plugin: _version_key(plugin.version),
    "author": lambda plugin: plugin.author.casefold(),
    "plugin_type": lambda plugin: plugin.plugin_type.value,
    "state": lambda plugin: plugin.state.value,
    "since": lambda plugin: plugin.since,
    "created_at": lambda plugin: plugin.created_at,
    "updated_at": lambda plugin: plugin.updated_at,
}
"""Ties follow the id."""


class PluginDirectory:
    """All plugins of this node by id and by name. Changed by the lifecycle alone, on the event loop's thread."""

    def __init__(self, python_versions: Callable[[str], str | None] = python_version_of) -> None:
        self._records: dict[int, PluginRecord] = {}
        self._ids: dict[str, int] = {}
        self._dependants: dict[str, set[int]] = {}
        self._json: dict[int, bytes] = {}
        self._lists: dict[tuple[Any, ...], tuple[int, ...]] = {}
        self._find_python = python_versions
        self._python: dict[str, str | None] = {}
        self.watch: Callable[[PluginRecord], None] = lambda _record: None
        """Told of every plugin that a change touched."""

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[PluginRecord]:
        return iter(tuple(self._records.values()))

    def __contains__(self, plugin_id: object) -> bool:
        return plugin_id in self._records

    def get(self, plugin_id: int) -> PluginRecord:
        """The plugin with this id; `PluginNotFoundError`."""
        try:
            return self._records[plugin_id]
        except KeyError:
            raise PluginNotFoundError(plugin=plugin_id) from None

    def by_name(self, name: str) -> PluginRecord:
        """The plugin of this name; `PluginNotFoundError`."""
        return self.get(self._ids[name]) if name in self._ids else self._missing(name)

    def find(self, name: str) -> PluginRecord | None:
        """The plugin of this name, or None."""
        return self._records.get(self._ids.get(name, -1))

    def json(self, plugin_id: int) -> bytes:
        """The plugin as the API shows it, serialised; `PluginNotFoundError`."""
        if (ready := self._json.get(plugin_id)) is not None:
            return ready
        ready = self._json[plugin_id] = orjson.dumps(self.get(plugin_id).to_dict(), option=orjson.OPT_UTC_Z)
        return ready

    def page(
        self, filters: Mapping[str, str], sort: str | None = None, page: int = 1, size: int = 50
    ) -> Page[PluginRecord]:
        """One page of the plugins that pass every filter; `FilterUnknownError`, `SortUnknownError`."""
        return self._page_of_ids(filters, sort, page, size).map(self._records.__getitem__)

    def page_json(
        self, filters: Mapping[str, str], sort: str | None = None, page: int = 1, size: int = 50
    ) -> bytes:
        """The same page, serialised: `items`, `total`, `page`, `size`, `pages`."""
        found = self._page_of_ids(filters, sort, page, size)
        items = b",".join([self.json(plugin_id) for plugin_id in found.items])
        return b'{"items":[%b],"total":%d,"page":%d,"size":%d,"pages":%d}' % (
            items,
            found.total,
            page,
            size,
            found.pages,
        )

    def requires(self) -> dict[str, tuple[str, ...]]:
        """For every plugin, by name and in the order of ids, the plugins that it requires."""
        return {
            plugin.name: plugin.required
            for plugin in sorted(self._records.values(), key=lambda plugin: plugin.id)
        }

    def dependants_of(self, name: str) -> list[PluginRecord]:
        """Everyone that requires the plugin, directly or through others, in the order of ids."""
        if not self._dependants.get(name):
            return []
        return [self.by_name(other) for other in dependants(name, self.requires())]

    def needing(self, name: str) -> list[PluginRecord]:
        """Everyone that names the plugin among its needs, optional ones included."""
        return [self._records[plugin_id] for plugin_id in sorted(self._dependants.get(name, ()))]

    def load(self, records: Iterable[PluginRecord]) -> None:
        """Begin anew with these."""
        self._records = {record.id: record for record in sorted(records, key=lambda record: record.id)}
        self._ids = {record.name: record.id for record in self._records.values()}
        self._dependants.clear()
        self._json.clear()
        self._lists.clear()
        for record in self._records.values():
            self._index(record)
        self._records = {record.id: self._derived(record) for record in self._records.values()}

    def put(self, *records: PluginRecord) -> None:
        """Add or replace plugins, and fill in anew what others see of them."""
        for record in records:
            if (old := self._records.get(record.id)) is not None:
                self._unindex(old)
            self._records[record.id] = record
            self._ids[record.name] = record.id
            self._index(record)
        self._refresh(records)

    def drop(self, *records: PluginRecord) -> None:
        """Forget plugins, and fill in anew what others see of them."""
        for record in records:
            self._unindex(self._records.pop(record.id))
            if self._ids.get(record.name) == record.id:  # another node may have given the name away again
                del self._ids[record.name]
            self._json.pop(record.id, None)
        self._refresh(records)

    def forget_python(self) -> None:
        """Look Python packages up again when they are asked for next."""
        self._python.clear()

    def seen(
        self, record: PluginRecord, changed: Mapping[str, PluginRecord | None] = _NOTHING
    ) -> PluginRecord:
        """A record, perhaps not put here yet, as it will be seen once these others are as given (None: gone), by name."""
        return self._derived(record, changed)

    def _missing(self, name: str) -> PluginRecord:
        raise PluginNotFoundError(plugin=name)

    def _refresh(self, changed: Sequence[PluginRecord]) -> None:
        touched = {record.id for record in changed if record.id in self._records}
        for record in changed:
            touched |= self._dependants.get(record.name, set())
        for plugin_id in touched:
            self._records[plugin_id] = self._derived(self._records[plugin_id])
            self._json.pop(plugin_id, None)
        self._lists.clear()
        for plugin_id in touched:
            self.watch(self._records[plugin_id])

    def _derived(
        self, record: PluginRecord, changed: Mapping[str, PluginRecord | None] = _NOTHING
    ) -> PluginRecord:
        needs = tuple(
            satisfaction(need, self._peer(need.name, changed), self._python_version) for need in record.needs
        )
        seen = replace(record, dependencies=needs)
        return replace(seen, health=summary_of(seen))

    def _peer(self, name: str, changed: Mapping[str, PluginRecord | None]) -> Peer | None:
        found = changed[name] if name in changed else self.find(name)
        return Peer(found.version, found.state) if found else None

    def _python_version(self, name: str) -> str | None:
        if name not in self._python:
            self._python[name] = self._find_python(name)
        return self._python[name]

    def _index(self, record: PluginRecord) -> None:
        for need in record.needs:
            if need.kind is DependencyKind.PLUGIN:
                self._dependants.setdefault(need.name, set()).add(record.id)

    def _unindex(self, record: PluginRecord) -> None:
        for need in record.needs:
            self._dependants.get(need.name, set()).discard(record.id)

    def _page_of_ids(self, filters: Mapping[str, str], sort: str | None, page: int, size: int) -> Page[int]:
        key = (tuple(sorted(filters.items())), sort)
        ids = self._lists.get(key)
        if ids is None:
            ids = self._sorted(filters, "id" if sort is None else sort)
            while len(self._lists) >= LISTS_KEPT:
                self._lists.pop(next(iter(self._lists)))
            self._lists[key] = ids
        return page_of(ids, page=page, size=size)

    def _sorted(self, filters: Mapping[str, str], sort: str) -> tuple[int, ...]:
        tests = [(_filter(key, value), value) for key, value in filters.items()]
        sort_key = _sort(sort.removeprefix("-"), sort)
        found = [
            plugin for plugin in self._records.values() if all(test(plugin, value) for test, value in tests)
        ]
        found.sort(key=lambda plugin: plugin.id)
        found.sort(key=sort_key, reverse=sort.startswith("-"))
        return tuple(plugin.id for plugin in found)


def _filter(key: str, value: str) -> Filter:
    if key not in FILTERS:
        raise FilterUnknownError(given=key, expected=", ".join(FILTERS))
    choices = [member.value for member in _CHOICES.get(key, ())]
    if choices and value not in choices:
        raise FilterUnknownError(given=f"{key}={value!r}", expected=f"{key} = " + ", ".join(choices))
    return FILTERS[key]


def _sort(key: str, given: str) -> SortKey:
    if key not in SORTS:
        raise SortUnknownError(given=repr(given), expected=", ".join(SORTS))
    return SORTS[key]
