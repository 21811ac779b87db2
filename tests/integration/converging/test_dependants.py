"""Two plugins of which one needs the other, changed at one moment on two nodes: what is wanted always has what it needs."""

import asyncio

import pytest

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.errors import ConflictError
from isp_plugins.lifecycle.errors import (
    DependenciesUnsatisfiedError,
    DependencyCycleError,
    PluginStillNeededError,
    VersionStillNeededError,
)
from isp_plugins.lifecycle.records import PluginChanges
from isp_plugins.system import PluginSystem
from support.converging import ADA, LONG, Nodes
from support.fakes_lifecycle import needs
from support.waiting import until

PLAIN = """
def initialize(self):
    return True
"""
GATED = """
def initialize(self):
    import pathlib, time
    folder = pathlib.Path({folder!r})
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return True
"""


class Gate:
    """Holds a plugin's start until it is opened."""

    def __init__(self, folder) -> None:
        self.folder = folder
        folder.mkdir()
        self.body = GATED.format(folder=str(folder))

    async def begun(self) -> None:
        await until((self.folder / "begun").exists, within=LONG)

    def open(self) -> None:
        (self.folder / "go").touch()


class Pair:
    """`billing`, which needs `tax` of a version below 3, on two nodes."""

    def __init__(self, nodes: Nodes, one: PluginSystem, two: PluginSystem) -> None:
        self.nodes, self.one, self.two = nodes, one, two
        self.tax = self.billing = 0

    async def register(self, *, billing: str = PLAIN, tax: str = PLAIN) -> None:
        draft = self.nodes.write("tax", tax)
        self.tax = (await self.one.manager.register(draft, ADA)).id
        wanted = needs("tax", specifier="<3")
        draft = self.nodes.write("billing", billing, dependencies=wanted)
        self.billing = (await self.one.manager.register(draft, ADA)).id
        await self.same(self.tax, State.REGISTERED)
        await self.same(self.billing, State.REGISTERED)

    async def same(self, plugin_id: int, *states: State) -> None:
        await self.nodes.same(plugin_id, lambda record: record.state in states)

    async def stored(self) -> dict[str, tuple[str, str]]:
        rows = await self.nodes.ask("SELECT name, desired, version FROM plugins WHERE uninstalled_at IS NULL")
        return {row["name"]: (row["desired"], row["version"]) for row in rows}

    async def is_whole(self) -> bool:
        """Whether billing is not wanted, or finds what it needs."""
        found = await self.stored()
        return found["billing"][0] == "disabled" or found.get("tax") == ("enabled", "1.0.0")


@pytest.fixture
async def pair(nodes: Nodes) -> Pair:
    one, two = await nodes.open("one", "two")
    return Pair(nodes, one, two)


def version(number: int) -> PluginChanges:
    return PluginChanges.of({"version": f"{number}.0.0"})


async def test_enabled_while_what_it_needs_goes_on_another_node_is_refused(pair: Pair, tmp_path) -> None:
    gates = [Gate(tmp_path / name) for name in ("disabled", "updated", "deleted")]
    await pair.register(billing=gates[0].body)
    await pair.two.manager.enable(pair.tax, ADA)
    two = pair.two.manager
    for gate, go, told in (
        (gates[0], lambda: two.disable(pair.tax, ADA), "plugin tax is disabled"),
        (gates[1], lambda: two.update(pair.tax, version(3), ADA), "tax <3 is expected, version 3.0.0 is"),
        (gates[2], lambda: two.delete(pair.tax, ADA), "plugin tax <3 is not registered"),
    ):
        pair.nodes.write("billing", gate.body)
        enabling = asyncio.create_task(pair.one.manager.enable(pair.billing, ADA))
        await gate.begun()
        await go()
        gate.open()
        with pytest.raises(DependenciesUnsatisfiedError, match=told) as caught:
            await enabling
        assert "billing needs what is not there" in str(caught.value)
        assert (await pair.stored())["billing"][0] == "disabled"
        assert pair.billing not in pair.one.manager._stage.instances
        if pair.tax in pair.one.directory:
            await two.update(pair.tax, version(1), ADA)
            await two.enable(pair.tax, ADA)


async def test_a_version_that_is_refused_by_what_was_enabled_meanwhile_does_not_take_over(
    pair: Pair, tmp_path
) -> None:
    gate = Gate(tmp_path / "version")
    await pair.register()
    await pair.two.manager.enable(pair.tax, ADA)
    await pair.nodes.active(pair.tax)
    pair.nodes.write("tax", gate.body)
    updating = asyncio.create_task(pair.two.manager.update(pair.tax, version(3), ADA))
    await gate.begun()
    await pair.one.manager.enable(pair.billing, ADA)
    gate.open()
    with pytest.raises(VersionStillNeededError, match=r"tax cannot become version 3\.0\.0.*billing \(<3\)"):
        await updating
    await pair.nodes.active(pair.tax)
    await pair.nodes.active(pair.billing)
    assert await pair.stored() == {"tax": ("enabled", "1.0.0"), "billing": ("enabled", "1.0.0")}


@pytest.mark.parametrize("rounds", [6, pytest.param(300, marks=pytest.mark.soak)])
async def test_whoever_comes_second_is_refused_with_both_names(pair: Pair, rounds: int) -> None:
    await pair.register()
    one, two = pair.one.manager, pair.two.manager
    await two.enable(pair.tax, ADA)
    for number in range(rounds):
        against = [
            lambda: two.disable(pair.tax, ADA),
            lambda: two.update(pair.tax, version(3), ADA),
        ][number % 2]
        found = await asyncio.gather(one.enable(pair.billing, ADA), against(), return_exceptions=True)
        assert await pair.is_whole(), found
        refused = [each for each in found if isinstance(each, BaseException)]
        assert len(refused) <= 1
        for each in refused:
            assert isinstance(each, ConflictError)
            assert "tax" in str(each)
            assert "billing" in str(each)
        await two.disable(pair.billing, ADA)
        await two.update(pair.tax, version(1), ADA)
        await two.enable(pair.tax, ADA)


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.soak)])
async def test_deleted_on_one_node_while_what_needs_it_is_enabled_on_another(pair: Pair, rounds: int) -> None:
    for _ in range(rounds):
        await pair.register()
        await pair.two.manager.enable(pair.tax, ADA)
        await asyncio.gather(
            pair.one.manager.enable(pair.billing, ADA),
            pair.two.manager.delete(pair.tax, ADA),
            return_exceptions=True,
        )
        assert await pair.is_whole()
        await pair.one.manager.delete(pair.billing, ADA)
        if "tax" in await pair.stored():
            await pair.one.manager.delete(pair.tax, ADA)
        await pair.nodes.gone(pair.tax)
        await pair.nodes.gone(pair.billing)


async def test_what_was_done_before_on_another_node_is_no_conflict(pair: Pair) -> None:
    """One after the other, without waiting for any node to follow."""
    await pair.register()
    one, two = pair.one.manager, pair.two.manager
    for _ in range(2):
        await one.enable(pair.tax, ADA)
        await two.enable(pair.billing, ADA)
        with pytest.raises(PluginStillNeededError, match="tax is needed by billing"):
            await one.disable(pair.tax, ADA)
        await two.disable(pair.billing, ADA)
        await one.disable(pair.tax, ADA)
        await two.enable(pair.tax, ADA)
        await one.enable(pair.billing, ADA)
        await two.disable(pair.tax, ADA, cascade=True)
        assert {name: desired for name, (desired, _) in (await pair.stored()).items()} == {
            "tax": Desired.DISABLED,
            "billing": Desired.DISABLED,
        }


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.soak)])
async def test_two_nodes_close_no_circle_together(pair: Pair, rounds: int) -> None:
    one, two = pair.one.manager, pair.two.manager
    for _ in range(rounds):
        chicken = pair.nodes.write("chicken", PLAIN, dependencies=needs("egg"))
        egg = pair.nodes.write("egg", PLAIN, dependencies=needs("chicken"))
        found = await asyncio.gather(
            one.register(chicken, ADA), two.register(egg, ADA), return_exceptions=True
        )
        (refused,) = [each for each in found if isinstance(each, BaseException)]
        assert isinstance(refused, DependencyCycleError)
        (there,) = [each for each in found if not isinstance(each, BaseException)]
        await one.delete(there.id, ADA)


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.soak)])
async def test_two_nodes_change_no_needs_into_a_circle(pair: Pair, rounds: int) -> None:
    await pair.register()
    one, two = pair.one.manager, pair.two.manager
    none = PluginChanges.of({"dependencies": []})
    await one.update(pair.billing, none, ADA)
    for _ in range(rounds):
        found = await asyncio.gather(
            one.update(pair.billing, PluginChanges.of({"dependencies": needs("tax")}), ADA),
            two.update(pair.tax, PluginChanges.of({"dependencies": needs("billing")}), ADA),
            return_exceptions=True,
        )
        (refused,) = [each for each in found if isinstance(each, BaseException)]
        assert isinstance(refused, DependencyCycleError), refused
        await one.update(pair.billing, none, ADA)
        await one.update(pair.tax, none, ADA)
