"""The directory: pages, filters, sorting, and what one plugin's change does to others."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from isp_plugins.contracts.vocabulary import Desired, HealthStatus, LogLevel, PluginType, RuntimeKind, State
from isp_plugins.lifecycle.dependencies import Dependency, DependencyKind
from isp_plugins.lifecycle.directory import PluginDirectory
from isp_plugins.lifecycle.errors import FilterUnknownError, PluginNotFoundError, SortUnknownError
from isp_plugins.lifecycle.records import PluginRecord

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def record(number: int, name: str | None = None, *requires: str, **fields: object) -> PluginRecord:
    plugin = PluginRecord(
        id=number,
        name=name or f"plugin{number}",
        display_name=f"Plugin {number}",
        description="",
        version="1.0",
        author="ada",
        plugin_type=PluginType.BILLING,
        module_path="plugins.x",
        entry_point="X",
        config_schema={},
        runtime=RuntimeKind.IN_PROCESS,
        exclusive=True,
        trusted_inline=False,
        log_level=LogLevel.INFO,
        desired=Desired.ENABLED,
        generation=1,
        needs=tuple(Dependency(DependencyKind.PLUGIN, need) for need in requires),
        created_at=NOW,
        updated_at=NOW,
        state=State.ACTIVE,
        since=NOW,
    )
    return replace(plugin, **fields)  # type: ignore[arg-type]  # names of fields, by keyword


def directory_of(*records: PluginRecord) -> PluginDirectory:
    directory = PluginDirectory()
    directory.load(records)
    return directory


def ids(directory: PluginDirectory, sort: str | None = None, **filters: str) -> list[int]:
    return [plugin.id for plugin in directory.page(filters, sort, size=100).items]


def test_plugin_is_found_by_id_and_by_name() -> None:
    directory = directory_of(record(3, "mailer"))
    assert directory.get(3) == directory.by_name("mailer")


def test_unknown_plugin_is_not_found() -> None:
    directory = directory_of()
    with pytest.raises(PluginNotFoundError, match="4"):
        directory.get(4)
    with pytest.raises(PluginNotFoundError, match="mailer"):
        directory.by_name("mailer")


def test_json_is_what_the_record_says() -> None:
    directory = directory_of(record(3))
    shown = orjson.loads(directory.json(3))
    assert (shown["id"], shown["state"], shown["since"]) == (3, "active", "2030-01-01T00:00:00Z")


def test_page_is_in_the_order_of_ids() -> None:
    page = directory_of(*(record(number) for number in (3, 1, 2))).page({}, None, 1, 2)
    assert ([plugin.id for plugin in page.items], page.total, page.pages) == ([1, 2], 3, 2)


def test_json_page_equals_the_page() -> None:
    directory = directory_of(*(record(number) for number in range(1, 6)))
    shown = orjson.loads(directory.page_json({}, "-id", 2, 2))
    assert (
        [item["id"] for item in shown["items"]],
        shown["total"],
        shown["page"],
        shown["size"],
        shown["pages"],
    ) == ([3, 2], 5, 2, 2, 3)


def test_sorts_by_version_as_versions() -> None:
    directory = directory_of(record(1, version="1.10"), record(2, version="1.9"), record(3, version="2.0rc1"))
    assert ids(directory, "version") == [2, 1, 3]
    assert ids(directory, "-version") == [3, 1, 2]


def test_descending_sort_keeps_ids_ascending_among_equals() -> None:
    assert ids(directory_of(record(1), record(2), record(3, author="zoe")), "-author") == [3, 1, 2]


def test_filters_must_all_pass() -> None:
    directory = directory_of(
        record(1),
        record(2, state=State.FAILED),
        record(3, state=State.FAILED, plugin_type=PluginType.UTILITY),
    )
    assert ids(directory, state="failed", plugin_type="BILLING") == [2]


def test_search_ignores_case() -> None:
    assert ids(directory_of(record(1, description="Sends INVOICES"), record(2)), q="invoices") == [1]


def test_unknown_filter_and_value_are_refused() -> None:
    directory = directory_of()
    with pytest.raises(FilterUnknownError, match="colour"):
        directory.page({"colour": "red"})
    with pytest.raises(FilterUnknownError, match="state = registered"):
        directory.page({"state": "sleeping"})


@pytest.mark.parametrize("sort", ["colour", "--id", "-", ""])
def test_unknown_sort_is_refused(sort: str) -> None:
    with pytest.raises(SortUnknownError):
        directory_of().page({}, sort)


def test_list_is_never_stale() -> None:
    directory = directory_of(record(1), record(2))
    assert ids(directory, state="active") == [1, 2]
    directory.put(record(1, state=State.FAILED))
    assert ids(directory, state="active") == [2]
    directory.drop(directory.get(2))
    assert ids(directory) == [1]


def test_dependant_is_degraded_as_soon_as_its_need_fails() -> None:
    directory = directory_of(record(1, "base"), record(2, "mailer", "base"))
    assert directory.get(2).health.status is HealthStatus.HEALTHY
    directory.put(record(1, "base", state=State.FAILED))
    health = directory.get(2).health
    assert (health.status, health.reasons) == (
        HealthStatus.DEGRADED,
        ("plugin base is failed; enable it first",),
    )
    assert orjson.loads(directory.json(2))["health"]["status"] == "degraded"


def test_dropped_need_is_missed() -> None:
    directory = directory_of(record(1, "base"), record(2, "mailer", "base"))
    directory.drop(directory.get(1))
    assert directory.get(2).dependencies[0].found is None


def test_what_will_be_seen_can_be_asked_before_it_is_put() -> None:
    directory = directory_of(record(1, "base", state=State.DISABLED), record(2, "mailer", "base"))
    seen = directory.seen(directory.get(2), {"base": record(1, "base")})
    assert seen.dependencies[0].satisfied
    assert not directory.get(2).dependencies[0].satisfied


def test_python_packages_are_looked_up_once_until_forgotten() -> None:
    asked: list[str] = []
    directory = PluginDirectory(lambda name: asked.append(name) or "1.0")  # type: ignore[func-returns-value]  # append, then the version
    need = (Dependency(DependencyKind.PYTHON, "requests"),)
    directory.load([record(1, needs=need), record(2, needs=need)])
    assert asked == ["requests"]
    directory.forget_python()
    directory.put(record(1, needs=need))
    assert asked == ["requests", "requests"]


def test_dependants_are_found_through_others() -> None:
    directory = directory_of(record(1, "a"), record(2, "b", "a"), record(3, "c", "b"), record(4, "d"))
    assert [plugin.name for plugin in directory.dependants_of("a")] == ["b", "c"]
