"""What plugins need: satisfaction, order, circles, dependants."""

from hypothesis import given
from hypothesis import strategies as st

from isp_plugins.contracts.vocabulary import State
from isp_plugins.lifecycle.dependencies import (
    Dependency,
    DependencyKind,
    Peer,
    cycle_through,
    dependants,
    fits,
    order,
    python_version_of,
    satisfaction,
    shown_cycle,
)

PLUGIN = Dependency(DependencyKind.PLUGIN, "base", ">=1,<2")
NAMES = st.sampled_from("abcdefgh")
GRAPHS = st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=4).map(tuple))


def test_active_plugin_that_fits_satisfies() -> None:
    found = satisfaction(PLUGIN, Peer("1.5", State.ACTIVE))
    assert (found.satisfied, found.found, found.problem) == (True, "1.5", None)


def test_inactive_plugin_does_not_satisfy() -> None:
    found = satisfaction(PLUGIN, Peer("1.5", State.FAILED))
    assert (found.satisfied, found.problem) == (False, "plugin base is failed; enable it first")


def test_other_version_is_told_with_what_was_expected() -> None:
    assert "base >=1,<2 is expected, version 2.0 is registered" in str(
        satisfaction(PLUGIN, Peer("2.0", State.ACTIVE)).problem
    )


def test_absent_plugin_is_to_be_registered() -> None:
    assert "is not registered; register and enable it" in str(satisfaction(PLUGIN, None).problem)


def test_optional_dependency_never_blocks() -> None:
    optional = Dependency(DependencyKind.PLUGIN, "base", optional=True)
    assert not satisfaction(optional, None).blocks


def test_installed_python_package_is_found() -> None:
    need = Dependency(DependencyKind.PYTHON, "packaging", ">=20")
    found = satisfaction(need, None)
    assert found.satisfied
    assert found.found == python_version_of("packaging")


def test_python_package_of_another_version_is_told() -> None:
    need = Dependency(DependencyKind.PYTHON, "requests", ">=2")
    assert "1.0 is installed" in str(satisfaction(need, None, lambda name: "1.0").problem)


def test_prerelease_counts_as_what_it_is() -> None:
    assert fits("2.0.0rc1", ">=1")
    assert not fits("2.0.0rc1", ">=2.0")


def test_unreadable_version_fits_only_the_empty_specifier() -> None:
    assert fits("1.0.0-weird.x", "")
    assert not fits("1.0.0-weird.x", ">=1")


def test_required_comes_first_and_ties_keep_their_order() -> None:
    assert order({"web": ("db",), "z": (), "db": (), "app": ("web", "z")}).names == ("z", "db", "web", "app")


def test_circle_is_named_and_comes_last() -> None:
    found = order({"a": ("b",), "b": ("c",), "c": ("a",), "d": (), "waits": ("a",)})
    assert found.names[0] == "d"
    assert found.cycles == (("a", "b", "c"),)
    assert shown_cycle(found.cycles[0]) == "a -> b -> c -> a"


def test_circle_through_itself_is_found() -> None:
    assert cycle_through("a", {"a": ("a",)}) == ("a",)
    assert cycle_through("a", {"a": ("b",), "b": ("c",), "c": ("b",)}) is None


def test_dependants_are_found_through_others() -> None:
    assert dependants("a", {"c": ("b",), "b": ("a",), "x": ()}) == ("c", "b")


@given(GRAPHS)
def test_order_holds_everyone_once_and_respects_every_need(graph: dict[str, tuple[str, ...]]) -> None:
    found = order(graph)
    assert sorted(found.names) == sorted(graph)
    stuck = {
        name
        for name in graph
        if any(cycle_through(other, graph) and reaches(graph, name, other) for other in graph)
    }
    place = {name: at for at, name in enumerate(found.names)}
    for name, needs in graph.items():
        if name not in stuck:
            assert all(place[need] < place[name] for need in needs if need in graph)


@given(GRAPHS)
def test_every_named_circle_is_one(graph: dict[str, tuple[str, ...]]) -> None:
    for circle in order(graph).cycles:
        for name, need in zip(circle, (*circle[1:], circle[0]), strict=True):
            assert need in graph[name]


def reaches(graph: dict[str, tuple[str, ...]], start: str, goal: str) -> bool:
    seen, todo = set(), [start]
    while todo:
        name = todo.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            todo.extend(graph.get(name, ()))
    return False
