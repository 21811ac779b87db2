"""What plugins need: the order to bring them up in, what is missing, and who needs whom. Pure functions over values.

1. A plugin dependency is satisfied by an active plugin of that name whose version fits the specifier; a Python one by an installed distribution.
2. An optional dependency that is absent blocks nothing; one that is present must still fit its specifier to count as satisfied.
3. What is required comes first; plugins without an order between them follow their ids, so that the order never depends on chance.
4. A circle of required dependencies is named, member by member; optional ones never make one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import metadata
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from isp_plugins.contracts.vocabulary import State


class DependencyKind(StrEnum):
    """What a plugin may need."""

    PLUGIN = "plugin"
    """Another plugin, by its name."""
    PYTHON = "python"
    """A Python distribution in the host's environment."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One need of a plugin; an empty specifier takes any version."""

    kind: DependencyKind
    name: str
    specifier: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """What a dependency sees of another plugin."""

    version: str
    state: State


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """A dependency as it was found."""

    dependency: Dependency
    satisfied: bool
    found: str | None
    """The version found; None where there is nothing of that name."""
    problem: str | None
    """What is missing and what to do, in the operator's words; None where it is satisfied."""

    @property
    def blocks(self) -> bool:
        """Whether the plugin cannot run for want of it."""
        return not self.satisfied and not self.dependency.optional

    def to_dict(self) -> dict[str, Any]:
        """As the API shows it."""
        need = self.dependency
        return {
            "kind": need.kind.value,
            "name": need.name,
            "specifier": need.specifier,
            "optional": need.optional,
            "is_satisfied": self.satisfied,
            "found": self.found,
            "problem": self.problem,
        }


@lru_cache(maxsize=4096)
def _specifier(text: str) -> SpecifierSet:
    return SpecifierSet(text)


def specifier_mistake(text: str) -> str | None:
    """What is wrong with a version specifier, or None."""
    try:
        _specifier(text)
    except InvalidSpecifier:
        return f"expected a version specifier like '>=1.2,<2', got {text!r}"
    return None


@lru_cache(maxsize=4096)
def fits(version: str, specifier: str) -> bool:
    """Whether a version meets a specifier; pre-releases count, since what runs is what was chosen. An unreadable version fits only ''."""
    if not specifier:
        return True
    try:
        return _specifier(specifier).contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def python_version_of(name: str) -> str | None:
    """The version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def satisfaction(
    need: Dependency, peer: Peer | None, python_versions: Callable[[str], str | None] = python_version_of
) -> Satisfaction:
    """How one dependency is met; `peer` is the plugin of that name, if there is one."""
    if need.kind is DependencyKind.PYTHON:
        found = python_versions(need.name)
        problem = _python_problem(need, found)
    else:
        found = peer.version if peer else None
        problem = _plugin_problem(need, peer)
    return Satisfaction(need, problem is None, found, problem)


def _wanted(need: Dependency) -> str:
    return f"{need.name} {need.specifier}".strip()


def _python_problem(need: Dependency, found: str | None) -> str | None:
    if found is None:
        return f"Python package {_wanted(need)} is not installed; install it into the host's environment"
    if not fits(found, need.specifier):
        return (
            f"Python package {_wanted(need)} is expected, {found} is installed; install a version that fits"
        )
    return None


def _plugin_problem(need: Dependency, peer: Peer | None) -> str | None:
    if peer is None:
        return f"plugin {_wanted(need)} is not registered; register and enable it"
    if not fits(peer.version, need.specifier):
        return f"plugin {_wanted(need)} is expected, version {peer.version} is registered; update it to a version that fits"
    if peer.state not in {State.ACTIVE, State.STANDBY}:
        return f"plugin {need.name} is {peer.state.value}; enable it first"
    return None


def required_names(needs: Iterable[Dependency]) -> tuple[str, ...]:
    """Names of the plugins without which a plugin cannot run."""
    return tuple(need.name for need in needs if need.kind is DependencyKind.PLUGIN and not need.optional)


@dataclass(frozen=True, slots=True)
class Order:
    """The order to bring plugins up in, and the circles that can never come up."""

    names: tuple[str, ...]
    """Every plugin, what is required before what requires it; members of circles last."""
    cycles: tuple[tuple[str, ...], ...]
    """Each circle once, as a path from its first member in alphabetical order."""


def order(requires: Mapping[str, Sequence[str]]) -> Order:
    """Topological order of plugins by what they require; names that are not keys are ignored. Ties keep the mapping's order."""
    waits = {name: {need for need in needs if need in requires} for name, needs in requires.items()}
    dependants: dict[str, list[str]] = {name: [] for name in requires}
    for name, needs in waits.items():
        for need in needs:
            dependants[need].append(name)
    ready = [name for name, needs in waits.items() if not needs]
    done: list[str] = []
    for name in ready:  # grows while it is walked
        done.append(name)
        for dependant in dependants[name]:
            waits[dependant].discard(name)
            if not waits[dependant]:
                ready.append(dependant)
    rest = {name: needs for name, needs in waits.items() if needs}
    return Order((*done, *rest), _cycles(rest))


def _cycles(rest: Mapping[str, set[str]]) -> tuple[tuple[str, ...], ...]:
    """One circle for each group that waits for itself; those that merely wait for a circle are in none."""
    found: set[tuple[str, ...]] = set()
    for start in sorted(rest):
        path: list[str] = []
        name = start
        while name not in path:
            path.append(name)
            name = min(need for need in rest[name] if need in rest)
        circle = path[path.index(name) :]
        first = circle.index(min(circle))
        found.add((*circle[first:], *circle[:first]))
    return tuple(sorted(found))


def cycle_through(name: str, requires: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """The shortest circle that leads from the plugin back to itself, or None."""
    paths: list[tuple[str, ...]] = [(name,)]
    seen: set[str] = set()
    for path in paths:  # breadth first; grows while it is walked
        for need in requires.get(path[-1], ()):
            if need == name:
                return path
            if need not in seen:
                seen.add(need)
                paths.append((*path, need))
    return None


def dependants(name: str, requires: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Everyone that requires the plugin, directly or through others, in the mapping's order."""
    found = {name}
    grew = True
    while grew:
        more = {
            other for other, needs in requires.items() if other not in found and not found.isdisjoint(needs)
        }
        found |= more
        grew = bool(more)
    return tuple(other for other in requires if other in found and other != name)


def requirements(name: str, requires: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Everyone whom the plugin requires, directly or through others, in the mapping's order."""
    found = {name}
    ahead = [name]
    while ahead:
        new = set(requires.get(ahead.pop(), ())) - found
        found |= new
        ahead += new
    return tuple(other for other in requires if other in found and other != name)


def shown_cycle(cycle: Sequence[str]) -> str:
    """A circle for people: `a -> b -> a`."""
    return " -> ".join((*cycle, cycle[0]))
