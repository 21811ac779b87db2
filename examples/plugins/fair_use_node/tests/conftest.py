"""The plugin as a worker of the conformance suite's played host, with its storage and what it asks for."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from isp_plugins.conformance.session import Options, Session, opened
from isp_plugins.conformance.vocabulary import Stage

FOLDER = Path(__file__).parents[1]
WAIT_S = 60.0


@pytest.fixture(autouse=True)
def _node() -> None:
    if shutil.which("node") is None:
        pytest.skip("needs Node.js 20 or newer: there is no `node` on the PATH")


class Plugin:
    """The running plugin, called as the host calls it."""

    def __init__(self, session: Session) -> None:
        self.session = session

    async def count(self, octets: int, key: str, service: Any = 501) -> dict[str, Any]:
        """Hand over a usage record with so many octets in each direction."""
        record = {
            "service_id": service,
            "counters": {"in_octets": octets, "out_octets": octets},
            "dedupe_key": key,
        }
        return dict(await self.session.value("count", record))

    @property
    def told(self) -> list[tuple[str, Any]]:
        """What it told the ISP so far: hook, and percent or policy."""
        emitted = [call.params for call in self.session.host.calls if call.method == "emit"]
        return [(one["hook"], one["payload"].get("percent", one["payload"].get("policy"))) for one in emitted]


@pytest.fixture
async def plugin() -> AsyncIterator[Plugin]:
    """The plugin with an allowance of 1 kB."""
    config = {
        "allowance_gb": 1e-6,
        "thresholds": [95, 80],
        "direction": "both",
        "policy": "block",
        "coa": {"Filter-Id": "slow"},
    }
    async with opened(run_with(config)) as session:
        await session.reach(Stage.ACTIVE)
        yield Plugin(session)


@pytest.fixture
def as_plugin() -> type[Plugin]:
    """What makes a plugin of a session."""
    return Plugin


@pytest.fixture
def options() -> Callable[..., Options]:
    """How the plugin is run with a configuration."""
    return run_with


def run_with(config: dict[str, Any]) -> Options:
    """How the plugin is run."""
    return Options(("node", str(FOLDER / "main.js")), config=config, answer_s=WAIT_S, handshake_s=WAIT_S)
