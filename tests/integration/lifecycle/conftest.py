"""A whole plugin system on a data directory of the test's own, and plugin files to load."""

import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from isp_plugins.access.bootstrap import ensure_admin_key
from isp_plugins.api.factory import create_app
from isp_plugins.lifecycle.records import PluginDraft
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.fakes_lifecycle import draft
from support.migrated import migrated

HEAD = """
from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.hooks import action, filter
"""
Write = Callable[..., PluginDraft]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """The data directory; plugins go below `plugins`."""
    (migrated(tmp_path / "data") / "plugins").mkdir()
    return tmp_path / "data"


@pytest.fixture
def write(data_dir: Path) -> Write:
    """Writes the module of a plugin, given the body of its class, and returns its draft."""

    def write_plugin(name: str, body: str, *, head: str = "", **fields: Any) -> PluginDraft:
        source = (
            HEAD
            + textwrap.dedent(head)
            + "\n\nclass Plugin(PluginInterface):\n"
            + textwrap.indent(textwrap.dedent(body), "    ")
        )
        (data_dir / "plugins" / f"{name}.py").write_text(source)
        return draft(name, **fields)

    return write_plugin


@pytest.fixture
def quick(data_dir: Path) -> Settings:
    """Settings with short deadlines."""
    return Settings(
        data_dir=data_dir,
        load_timeout=5.0,
        initialize_timeout=5.0,
        cleanup_timeout=1.0,
        drain_timeout=2.0,
        recovery_backoff_min=0.05,
    )


@pytest.fixture
async def system(quick: Settings) -> AsyncIterator[PluginSystem]:
    """The system, open."""
    async with PluginSystem.open(quick) as system:
        yield system


@pytest.fixture
async def api(system: PluginSystem) -> AsyncIterator[httpx.AsyncClient]:
    """The API, asked by the admin."""
    token = await ensure_admin_key(system.keys, system.data_directory.path)
    transport = httpx.ASGITransport(create_app(system))
    headers = {"X-API-Key": str(token)}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://host/api/v1", headers=headers, timeout=60
    ) as client:
        yield client
