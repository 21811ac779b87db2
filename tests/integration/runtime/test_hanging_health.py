"""A health check that hangs costs one thread, however often the plugin is asked again."""

import asyncio


async def test_hanging_check_is_no_answer_and_is_not_called_again(plugins, hang):
    plugin = await plugins.started(
        f"calls = 0\ndef health_check(self):\n    self.calls += 1\n    return {hang.code}\ndef count(self):\n    return self.calls"
    )
    first = await plugin.health(0.2)
    again = [await plugin.health(5) for _ in range(5)]
    assert not first["answered"]
    assert "did not return within 0.2 s" in first["checks"][0]["message"]
    assert {one["checks"][0]["message"] for one in again} == {"an earlier health check has not returned yet"}
    assert (await plugin.execute("count", None, 5), plugin.abandoned_threads) == (1, 1)


async def test_check_that_came_back_after_all_is_asked_again(plugins, hang):
    plugin = await plugins.started(
        f"def health_check(self):\n    {hang.code}\n    return {{'status': 'healthy', 'checks': []}}"
    )
    assert not (await plugin.health(0.2))["answered"]
    hang.gate.opened.set()
    while not hang.gate.passed.is_set() or plugin.abandoned_threads:
        await asyncio.sleep(0.001)
    assert (await plugin.health(5))["status"] == "healthy"


async def test_coroutine_that_is_cancelled_is_asked_again(plugins, hang):
    body = f"asked = 0\nasync def health_check(self):\n    self.asked += 1\n    if self.asked == 1:\n        {hang.code_async}\n    return {{'status': 'healthy', 'checks': []}}"
    plugin = await plugins.started(body)
    assert not (await plugin.health(0.05))["answered"]
    await asyncio.sleep(0)
    assert (await plugin.health(5))["status"] == "healthy"


async def test_check_that_raises_or_is_malformed_is_no_answer(plugins):
    for body in ("raise ValueError('x')", "return 7", "return {'status': 'fine'}"):
        plugin = await plugins.started(f"def health_check(self):\n    {body}")
        assert (await plugin.health(5))["answered"] is False
        await plugin.stop()


async def test_plugin_cannot_pretend_that_it_did_not_answer(plugins):
    plugin = await plugins.started(
        "def health_check(self):\n    return {'status': 'healthy', 'checks': [], 'answered': False}"
    )
    assert (await plugin.health(5)).get("answered", True)
