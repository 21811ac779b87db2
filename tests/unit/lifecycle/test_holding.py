"""What a candidate stores is seen by itself alone, until it is let go."""

import asyncio

import pytest

from isp_plugins.lifecycle.holding import HeldCalls


class Store:
    """The host's half, over dictionaries."""

    def __init__(self):
        self.values = {"old": 1, "other": 2}
        self.marks = set()

    async def storage_get(self, key):
        return self.values.get(key)

    async def storage_set(self, key, value):
        self.values[key] = value

    async def storage_delete(self, key):
        return self.values.pop(key, None) is not None

    async def storage_list(self, prefix=""):
        return sorted(key for key in self.values if key.startswith(prefix))

    async def once_seen(self, mark):
        return mark in self.marks

    async def once_commit(self, mark, writes):
        if mark in self.marks:
            return False
        self.marks.add(mark)
        for kind, key, value in writes:
            await (self.storage_set(key, value) if kind == "set" else self.storage_delete(key))
        return True

    async def write_within(self, session, marks, writes):
        if session == "broken":
            raise RuntimeError("the database is gone")
        self.marks |= set(marks)
        for kind, key, value in writes:
            await (self.storage_set(key, value) if kind == "set" else self.storage_delete(key))


async def let_go(held, session="open"):
    """As the lifecycle does it."""
    async with held.letting_go() as write:
        await write(session)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def held(store):
    return HeldCalls(store)


async def test_it_sees_its_own_writes_and_nobody_else_does(held, store):
    await held.storage_set("new", 3)
    assert await held.storage_delete("old") is True
    assert await held.storage_delete("old") is False
    assert await held.storage_delete("absent") is False
    assert await held.storage_get("new") == 3
    assert await held.storage_get("old") is None
    assert await held.storage_list() == ["new", "other"]
    assert await held.storage_list("n") == ["new"]
    assert store.values == {"old": 1, "other": 2}


async def test_let_go_writes_all_and_holds_no_more(held, store):
    await held.storage_set("new", 3)
    await held.storage_delete("old")
    await let_go(held)
    assert store.values == {"new": 3, "other": 2}
    await held.storage_set("late", 4)
    assert store.values["late"] == 4


async def test_mark_is_held_with_what_belongs_to_it(held, store):
    assert await held.once_commit("m", [("set", "k", 1), ("delete", "old", None)]) is True
    assert await held.once_commit("m", [("set", "k", 2)]) is False
    assert await held.once_seen("m")
    assert await held.storage_get("k") == 1
    assert not store.marks
    await let_go(held)
    assert (store.marks, store.values) == ({"m"}, {"other": 2, "k": 1})
    assert await held.once_commit("m", []) is False


async def test_what_could_not_be_written_stays_held(held, store):
    await held.storage_set("new", 3)
    with pytest.raises(RuntimeError):
        await let_go(held, "broken")
    assert "new" not in store.values
    assert await held.storage_get("new") == 3
    await held.storage_set("more", 4)
    assert "more" not in store.values


async def test_its_own_calls_wait_until_it_is_written(held, store):
    await held.storage_set("new", 3)
    async with held.letting_go() as write:
        later = asyncio.create_task(held.storage_set("new", 4))
        await asyncio.sleep(0)
        await write("open")
        assert store.values["new"] == 3
    await later
    assert store.values["new"] == 4
