"""Commands that open the data directory themselves, under its lock, when no server runs: a lost key, a suspect audit trail, a rotation."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from isp_plugins.access import RoleName, recover
from isp_plugins.access.bootstrap import FILE_NAME
from isp_plugins.actors import LOCAL
from isp_plugins.cli.exits import Exit
from isp_plugins.cli.output import fail
from isp_plugins.clock import SystemClock
from isp_plugins.db.urls import sqlite_file
from isp_plugins.lifecycle.doctor.doctor import examine_offline
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem, backup


def create_key(data_dir: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Create an API key; this is how a lost admin key is recovered."""
    expires = body.get("expires_at")

    async def work(system: PluginSystem) -> dict[str, Any]:
        if body["role"] == RoleName.ADMIN and not any(
            body.get(limit) for limit in ("plugins", "hooks", "expires_at")
        ):
            view, token = await recover(system.keys, system.settings.data_dir, name=body["name"])
            file = {"file": str(system.settings.data_dir / FILE_NAME)}
        else:
            file = {}
            view, token = await system.keys.create(
                name=body["name"],
                role=body["role"],
                actor=LOCAL,
                plugins=body.get("plugins"),
                hooks=body.get("hooks"),
                expires_at=_moment(expires) if expires else None,
            )
        return {"id": view.id, "name": view.name, "role": view.role, "token": token, **file}

    return _with_system(data_dir, work)


def verify_audit(data_dir: Path) -> dict[str, Any]:
    """Check the audit chain."""

    async def work(system: PluginSystem) -> dict[str, Any]:
        report = await system.audit.verify()
        findings = [
            {"node": found.node, "sequence": found.sequence, "kind": found.kind, "problem": str(found)}
            for found in report.findings
        ]
        return {"intact": report.ok, "checked": report.entries, "findings": findings}

    return _with_system(data_dir, work)


def rotate_secrets(data_dir: Path) -> dict[str, Any]:
    """Encrypt all secrets with a new key."""

    async def work(system: PluginSystem) -> dict[str, Any]:
        return await system.rotate_secrets(LOCAL)

    return _with_system(data_dir, work)


def roll_back(data_dir: Path, plugin: str, to: str | None) -> dict[str, Any]:
    """Return a plugin to a kept version; nothing is started."""

    async def work(system: PluginSystem) -> dict[str, Any]:
        found = system.directory.get(int(plugin)) if plugin.isdecimal() else system.directory.by_name(plugin)
        return await system.upgrader.roll_back_now(found.id, LOCAL, to=to)

    return _with_system(data_dir, work)


def back_up(data_dir: Path, target: Path, *, with_key: bool) -> dict[str, Any]:
    """Write a backup; it needs no lock, so the server may run."""
    settings = Settings.from_environment(os.environ, data_dir=data_dir)
    _refuse_missing(settings)
    return backup.back_up(settings, target, with_key=with_key, clock=SystemClock())


def restore(data_dir: Path, source: Path, key: Path | None) -> dict[str, Any]:
    """Make an installation of a backup."""
    settings = Settings.from_environment(os.environ, data_dir=data_dir)
    return asyncio.run(backup.restore(settings, source, key=key))


def check_against(data_dir: Path, host: str, python: str | None) -> dict[str, Any]:
    """Which plugins would not load on another version of the host."""

    async def work(system: PluginSystem) -> dict[str, Any]:
        return (await system.check_against(host, python)).to_dict()

    return _with_system(data_dir, work)


def examine(data_dir: Path) -> dict[str, Any]:
    """The doctor's report on an installation, even one whose database cannot be opened; nothing is made or migrated."""
    settings = Settings.from_environment(os.environ, data_dir=data_dir)
    report = asyncio.run(examine_offline(settings, SystemClock())).to_dict()
    return report | {"checked_at": report["checked_at"].isoformat()}


def _with_system(data_dir: Path, work: Callable[[PluginSystem], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Open the system under the lock, without starting any plugin, and do one thing; an installation is never made here."""
    settings = Settings.from_environment(os.environ, data_dir=data_dir)
    _refuse_missing(settings)

    async def run() -> dict[str, Any]:
        async with PluginSystem.open(settings, start_plugins=False) as system:
            return await work(system)

    return asyncio.run(run())


def _refuse_missing(settings: Settings) -> None:
    """End the command where there is no installation to work on."""
    folder = settings.data_dir
    wanted = (sqlite_file(settings.url) or folder) if folder.is_dir() else folder
    if wanted.exists():
        return
    what = "a folder" if wanted == folder else "the database"
    fail(
        "No data directory there",
        detail=f"looked for {what} {wanted}. Name the server's own with --data-dir (or ISP_PLUGINS_DATA_DIR), "
        "and its database with ISP_PLUGINS_DATABASE_URL if it has its own; 'isp-plugins serve' makes a new one.",
    )


def _moment(text: str) -> datetime:
    """A moment with its zone, from ISO 8601."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        fail(
            "Not a moment",
            detail=f"expected something like 2030-12-31T00:00:00Z, got {text!r}.",
            code=Exit.USAGE,
        )
    return moment
