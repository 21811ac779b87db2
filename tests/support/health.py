"""Lets time pass over a lifecycle's house, so that probes and recovery do what is due; and the settings of a server that heals quickly."""

import asyncio

from support.fakes_lifecycle import House

QUICK = {
    "ISP_PLUGINS_HEALTH_INTERVAL": "0.2",
    "ISP_PLUGINS_HEALTH_TIMEOUT": "1",
    "ISP_PLUGINS_CLEANUP_TIMEOUT": "0.3",
    "ISP_PLUGINS_RECOVERY_BACKOFF_MIN": "0.05",
    "ISP_PLUGINS_RECOVERY_BACKOFF_MAX": "0.1",
    "ISP_PLUGINS_BREAKER_PAUSE": "4",
}
"""Short pauses, for real servers."""


async def probed(house: House, times: int = 1) -> None:
    """So many rounds of probes, each an interval after the one before; what they lead to at once is done."""
    for _ in range(times):
        await house.manager.probe_due()  # whoever is new gets its first moment
        house.clock.advance(house.settings.health_interval * 1.1)
        await house.manager.probe_due()
        await settled(house)


async def settled(house: House) -> None:
    """Wait for the probes under way."""
    while asking := tuple(house.manager._prober._asking.values()):
        await asyncio.wait(asking)


async def recovered(house: House, seconds: float = 61.0) -> None:
    """Let the longest pause pass, and do what is due."""
    house.clock.advance(seconds)
    await house.manager.recover()
    await settled(house)


async def told(house: House, hook: str = "plugin_health_changed") -> list[dict]:
    """The payloads of what was announced on a hook."""
    await house.manager._stage.announcer.flush(5)
    return [payload for name, payload in house.engine.dispatched if name == hook]
