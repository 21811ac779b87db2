"""The host in memory has the real one's limits, and answers as scripted."""

import pytest

from isp_plugin_sdk.errors import StorageLimitError
from isp_plugin_sdk.testing import FakeHost


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_key_that_is_empty_or_too_long_is_refused(key: str) -> None:
    with pytest.raises(StorageLimitError, match="200 characters"):
        await FakeHost().storage_set(key, 1)


async def test_value_above_256_kib_is_refused() -> None:
    host = FakeHost()
    await host.storage_set("k", "v" * 262_142)
    with pytest.raises(StorageLimitError, match="262144 bytes"):
        await host.storage_set("k", "v" * 262_143)


async def test_stored_value_is_a_copy() -> None:
    host, value = FakeHost(), [1]
    await host.storage_set("k", value)
    value.append(2)
    (await host.storage_get("k")).append(3)
    assert host.storage == {"k": [1]}


async def test_answers_are_given_in_order_and_the_last_one_stays() -> None:
    host = FakeHost()
    host.answer("x", {"status": "rejected", "reason": "no"}, lambda payload: payload + 1)
    answers = [await host.dispatch("x", number, None) for number in (1, 2, 3)]
    assert [one["status"] for one in answers] == ["rejected", "completed", "completed"]
    assert [one["value"] for one in answers] == [1, 3, 4]


async def test_deleting_tells_whether_the_key_was_there() -> None:
    host = FakeHost({"k": None})
    assert [await host.storage_delete("k"), await host.storage_delete("k")] == [True, False]
