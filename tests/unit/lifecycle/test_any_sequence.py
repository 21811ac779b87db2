"""Whatever operators, plugins and restarts do, in any order, the invariants hold."""

import asyncio
import base64
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.db.engine import Database
from isp_plugins.errors import ConflictError, NotFoundError
from isp_plugins.keyring import KeyRing
from isp_plugins.settings import Settings
from isp_plugins.testing import FakeClock
from support.fakes_lifecycle import ADA, House, declared, needs

PLUGINS = {"base": {}, "mailer": {"dependencies": needs("base")}, "poller": {"exclusive": True}}
"""What may be registered: one that is needed, one that needs it, one that cannot live twice."""
NAMES = st.sampled_from(sorted(PLUGINS))


class Life(RuleBasedStateMachine):
    """Drives a house; keeps beside it what operators asked for last, and were answered."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.asked: dict[str, Desired] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def open(self) -> None:
        shutil.copyfile(self.template, self.folder / "life.db")
        self.database = self.run(Database.open(f"sqlite:///{self.folder / 'life.db'}"))
        ring = KeyRing.parse(base64.urlsafe_b64encode(bytes(range(32))).decode())
        self.house = self.run(self._house(ring))
        for name in PLUGINS:
            self.house.runtime.script(name).declares = [declared()]
            self.register(name)

    async def _house(self, ring: KeyRing) -> House:
        house = House(self.database, ring, FakeClock(), Settings(data_dir=self.folder))
        await house.manager.reconcile()
        return house

    def teardown(self) -> None:
        self.run(self.house.manager.close())
        self.run(self.database.close())
        self.run(self.loop.shutdown_asyncgens())
        self.loop.close()
        shutil.rmtree(self.folder)

    def attempt(self, name: str, operation: str, **options: Any) -> bool:
        """Try an operation; whether it was done. Only sane refusals are accepted."""
        found = self.house.directory.find(name)
        try:
            self.run(getattr(self.house.manager, operation)(found.id if found else 4711, ADA, **options))
        except (ConflictError, NotFoundError):
            return False
        return True

    def active(self) -> list[str]:
        return [record.name for record in self.house.directory if record.state is State.ACTIVE]

    @rule(name=NAMES)
    def register_again(self, name: str) -> None:
        self.register(name)

    def register(self, name: str) -> None:
        try:
            self.run(self.house.register(name, **{"exclusive": False, **PLUGINS[name]}))
        except ConflictError:
            assert self.house.directory.find(name)
        else:
            self.asked[name] = Desired.DISABLED

    @rule(name=NAMES)
    def enable(self, name: str) -> None:
        if self.attempt(name, "enable"):
            self.asked[name] = Desired.ENABLED

    @rule(name=NAMES, cascade=st.booleans())
    def disable(self, name: str, cascade: bool) -> None:
        if self.attempt(name, "disable", cascade=cascade):
            self.asked[name] = Desired.DISABLED
            self._cascaded(name)

    @rule(name=NAMES, cascade=st.booleans())
    def delete(self, name: str, cascade: bool) -> None:
        if self.attempt(name, "delete", cascade=cascade):
            del self.asked[name]
            self._cascaded(name)

    def _cascaded(self, name: str) -> None:
        if name == "base" and "mailer" in self.asked:
            self.asked["mailer"] = Desired.DISABLED

    @rule(name=NAMES)
    def reload(self, name: str) -> None:
        self.attempt(name, "reload")

    @rule(name=NAMES)
    def configure(self, name: str) -> None:
        found = self.house.directory.find(name)
        if found:
            try:
                self.run(self.house.configure(found.id, key=self.house.clock.monotonic()))
            except ConflictError:
                assert self.house.runtime.script(name).fails

    @rule(name=NAMES, fails=st.sampled_from([None, "broken"]))
    def mend_or_break(self, name: str, fails: str | None) -> None:
        self.house.runtime.script(name).fails = fails

    @precondition(lambda self: self.active())
    @rule(data=st.data())
    def hang(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.active()))
        self.house.manager.on_abandoned(self.house.directory.by_name(name).id, 8)
        self.run(self._until_quiet())
        assert self.house.directory.by_name(name).state is State.QUARANTINED

    async def _until_quiet(self) -> None:
        await asyncio.sleep(0)
        while self.house.manager._operations.under_way:
            await asyncio.wait(self.house.manager._operations.under_way)

    @rule()
    def wait_and_recover(self) -> None:
        self.house.clock.advance(100)
        self.run(self.house.manager.recover())

    @rule()
    def kill_and_start(self) -> None:
        self.house = self.run(self.house.restart())

    @invariant()
    def what_was_asked_for_is_kept(self) -> None:
        if hasattr(self, "house"):
            assert {record.name: record.desired for record in self.house.directory} == self.asked

    @invariant()
    def exactly_active_plugins_live_and_are_subscribed(self) -> None:
        if not hasattr(self, "house"):
            return
        active = {record.id for record in self.house.directory if record.state is State.ACTIVE}
        assert {plugin.request.plugin_id for plugin in self.house.runtime.alive} == active
        assert len(self.house.runtime.alive) == len(active)
        assert set(self.house.engine.subscriptions) == active
        assert set(self.house.manager._stage.instances) == active
        for plugin in self.house.runtime.alive:
            (one,) = self.house.engine.subscriptions[plugin.request.plugin_id]
            assert one.callee is not None

    @invariant()
    def only_wanted_plugins_are_active_and_those_that_failed_wait(self) -> None:
        if not hasattr(self, "house"):
            return
        waiting = self.house.manager._stage.recovery.waiting
        for record in self.house.directory:
            assert record.state in {
                State.REGISTERED,
                State.ACTIVE,
                State.DISABLED,
                State.FAILED,
                State.QUARANTINED,
            }
            assert record.state is not State.ACTIVE or record.desired is Desired.ENABLED
            assert (record.id in waiting) == (
                record.state in {State.FAILED, State.QUARANTINED} and record.desired is Desired.ENABLED
            )
            assert (record.cause is not None) == (record.state in {State.FAILED, State.QUARANTINED})

    @invariant()
    def the_database_says_the_same(self) -> None:
        if not hasattr(self, "house"):
            return
        stored = {
            record.id: (record.state, record.desired, record.generation, record.cause)
            for record in self.run(self.house.manager._stage.ledger.load())
        }
        assert stored == {
            record.id: (record.state, record.desired, record.generation, record.cause)
            for record in self.house.directory
        }


def assert_invariants_hold(machine: type[Life]) -> None:
    """Run the machine; its invariants assert after every step."""
    machine.TestCase("runTest").debug()


@pytest.mark.parametrize("examples", [30, pytest.param(500, marks=pytest.mark.soak)])
def test_any_sequence_keeps_the_invariants(migrated_sqlite_file: Path, examples: int) -> None:
    class Machine(Life):
        template = migrated_sqlite_file

    profile = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),  # a trace of 25 steps is readable; shrinking takes minutes
        suppress_health_check=list(HealthCheck),
    )
    Machine.TestCase.settings = profile
    assert_invariants_hold(Machine)
