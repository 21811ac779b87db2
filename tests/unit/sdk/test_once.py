"""`self.context.once`: what is stored inside is kept with the mark, all or nothing, the first time only."""

import pytest

from isp_plugin_sdk import PluginInterface
from isp_plugin_sdk.errors import DoneMeanwhileError, NestedOnceError, NoEventError
from isp_plugin_sdk.testing import PluginHarness


class Booking(PluginInterface):
    def initialize(self):
        return True

    def book(self, payload):
        with self.context.once(payload.get("mark")) as first:
            self.context.set("n", self.context.get("n", 0) + 1)
            self.context.delete("old")
            seen = self.context.get("n"), self.context.list()
            if payload.get("explode"):
                raise ValueError("no")
        return [first, list(seen)]

    async def book_async(self, payload):
        async with self.context.aio.once() as first:
            await self.context.aio.set("n", await self.context.aio.get("n", 0) + 1)
            await self.context.aio.delete("old")
            seen = await self.context.aio.list()
        return [first, seen, self.context.idempotency_key, self.context.attempt]

    def nested(self, _):
        with self.context.once("a"), self.context.once("b"):
            pass

    def robbed(self, _):
        with self.context.once("a"):
            self.context.set("n", 1)
            self.host.marks.add("a")


@pytest.fixture
def harness():
    with PluginHarness(Booking) as running:
        running.host.storage["old"] = 1
        yield running


def test_first_time_keeps_and_later_times_keep_nothing(harness):
    assert harness.event("book", {}) == [True, [1, ["n"]]]
    assert harness.event("book", {}) == [False, [2, ["n"]]]
    assert harness.host.storage == {"n": 1}


def test_async_twin_does_the_same(harness):
    assert harness.event("book_async", {}) == [True, ["n"], "test-event", 1]
    assert harness.event("book_async", {})[0] is False
    assert harness.host.storage == {"n": 1}


def test_mark_of_an_event_that_nobody_tried_is_not_asked_for(harness, monkeypatch):
    asked = []

    async def seen(mark):
        asked.append(mark)
        return mark in harness.host.marks

    monkeypatch.setattr(harness.host, "once_seen", seen)
    new = {"never_tried": True}
    assert harness.event("book", {}, context=new)[0] is True
    assert harness.event("book_async", {}, context=new | {"idempotency_key": "two"})[0] is True
    assert asked == []
    assert harness.event("book", {"mark": "own"}, context=new)[0] is True
    assert harness.event("book", {})[0] is False
    assert asked == ["own", "test-event"]


def test_event_that_was_done_all_the_same_keeps_nothing(harness):
    assert harness.event("book", {})[0] is True
    with pytest.raises(DoneMeanwhileError):
        harness.event("book", {}, context={"never_tried": True})
    assert harness.host.storage == {"n": 1}


def test_block_that_raises_keeps_nothing_and_is_first_again(harness):
    with pytest.raises(ValueError, match="no"):
        harness.event("book", {"explode": True})
    assert harness.host.storage == {"old": 1}
    assert harness.event("book", {})[0] is True


def test_other_key_is_another_thing(harness):
    assert harness.event("book", {"mark": "a"})[0] is True
    assert harness.event("book", {"mark": "b"})[0] is True


def test_without_event_and_key_it_says_what_to_name(harness):
    with pytest.raises(NoEventError, match="name what is done once"):
        harness.action("book", {})


def test_blocks_do_not_nest(harness):
    with pytest.raises(NestedOnceError, match="inside"):
        harness.event("nested", {})


def test_mark_that_somebody_else_set_meanwhile_keeps_nothing(harness):
    harness.plugin.host = harness.host
    with pytest.raises(DoneMeanwhileError, match="Somebody else"):
        harness.event("robbed", {})
    assert harness.host.storage == {"old": 1}
