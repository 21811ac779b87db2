"""Bulk operations: each plugin's own result, in the order that dependencies want."""

import pytest

from isp_plugins.contracts.vocabulary import State
from isp_plugins.errors import ForbiddenError
from isp_plugins.lifecycle.bulk import BulkOperation, BulkParametersInvalidError, BulkResult, run_bulk
from support.fakes_lifecycle import ADA, House, needs


class NotYoursError(ForbiddenError):
    """Not yours."""


async def bulk(
    house: House, operation: BulkOperation, *ids: int, refuse: int | None = None, **parameters: object
) -> BulkResult:
    async def check(plugin_id: int) -> None:
        if plugin_id == refuse:
            raise NotYoursError

    return await run_bulk(house.manager, house.directory, operation, ids, parameters, actor=ADA, check=check)


async def test_enable_goes_on_after_a_failure(house: House) -> None:
    bad, good = await house.register("bad"), await house.register("good")
    house.runtime.script("bad").fails = "broken"
    result = await bulk(house, BulkOperation.ENABLE, bad.id, good.id)
    assert result.successful == (good.id,)
    assert [(one.plugin_id, one.problem) for one in result.failed] == [(bad.id, "plugin-enable-failed")]


async def test_enable_brings_up_what_is_needed_first(house: House) -> None:
    base = await house.register("base")
    needing = await house.register("needing", dependencies=needs("base"))
    result = await bulk(house, BulkOperation.ENABLE, needing.id, base.id)
    assert result.successful == (needing.id, base.id)


async def test_disable_takes_down_dependants_first(house: House) -> None:
    base = await house.enabled("base")
    needing = await house.enabled("needing", dependencies=needs("base"))
    result = await bulk(house, BulkOperation.DISABLE, base.id, needing.id)
    assert result.successful == (base.id, needing.id)


async def test_unknown_plugin_is_a_failure_of_its_own(house: House) -> None:
    plugin = await house.enabled()
    result = await bulk(house, BulkOperation.RELOAD, 99, plugin.id)
    assert (result.successful, result.failed[0].problem) == ((plugin.id,), "plugin-not-found")


async def test_refused_plugin_is_left_alone(house: House) -> None:
    one, other = await house.enabled("one"), await house.enabled("other")
    result = await bulk(house, BulkOperation.DISABLE, one.id, other.id, refuse=one.id)
    assert (result.successful, result.failed[0].problem) == ((other.id,), "not-yours")
    assert house.directory.get(one.id).state is State.ACTIVE


async def test_update_changes_every_plugin(house: House) -> None:
    one, other = await house.register("one"), await house.register("other")
    await bulk(house, BulkOperation.UPDATE, one.id, other.id, log_level="DEBUG")
    assert {house.directory.get(one.id).log_level, house.directory.get(other.id).log_level} == {"DEBUG"}


async def test_uninstall_that_cascades_takes_named_ones_along(house: House) -> None:
    base = await house.enabled("base")
    await house.enabled("middle", dependencies=needs("base"))
    top = await house.enabled("top", dependencies=needs("middle"))
    result = await bulk(house, BulkOperation.UNINSTALL, base.id, top.id, cascade=True)
    assert result.successful == (base.id, top.id)
    assert base.id not in house.directory


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        (BulkOperation.ENABLE, {"cascade": True}),
        (BulkOperation.DISABLE, {"cascade": 1}),
        (BulkOperation.RELOAD, {"x": 1}),
    ],
)
async def test_parameters_that_do_not_fit_are_refused_before_anything_is_done(
    house: House, operation: BulkOperation, parameters: dict[str, object]
) -> None:
    plugin = await house.enabled()
    with pytest.raises(BulkParametersInvalidError):
        await bulk(house, operation, plugin.id, **parameters)
    assert house.directory.get(plugin.id).state is State.ACTIVE
