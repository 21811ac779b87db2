"""The servers that `benchmarks.http` compares, each a process of its own under the same uvicorn settings.

`python -m benchmarks.http_servers ours DATA_DIR`, `... echo`, `... orm DATABASE_FILE`: prints the port it listens on.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import uvloop
from fastapi import Body, FastAPI
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from isp_plugins.access import ensure_admin_key
from isp_plugins.api.factory import create_app
from isp_plugins.asgi import Server, bind, uvicorn_config
from isp_plugins.db.tables import Plugin
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem


def echo() -> FastAPI:
    """A bare FastAPI POST that echoes its body."""
    app = FastAPI()

    @app.post("/echo")
    async def answer(body: dict[str, Any] = Body()) -> dict[str, Any]:
        return body

    return app


def orm(file: str) -> FastAPI:
    """A bare FastAPI GET that reads one row with SQLAlchemy's ORM."""
    app = FastAPI()
    sessions = async_sessionmaker(create_async_engine(f"sqlite+aiosqlite:///{file}"))

    @app.get("/plugins/{plugin_id}")
    async def read(plugin_id: int) -> dict[str, Any]:
        async with sessions() as session:
            row = await session.get_one(Plugin, plugin_id)
            return {column.key: getattr(row, column.key) for column in Plugin.__table__.columns}

    return app


async def serve(app: Any) -> None:
    """Serve on a free port until the process is ended."""
    listener = bind("127.0.0.1", 0)
    print(listener.getsockname()[1], flush=True)
    await Server(uvicorn_config(app)).serve(sockets=[listener])


async def serve_ours(data_dir: str) -> None:
    """The whole product."""
    async with PluginSystem.open(Settings(data_dir=Path(data_dir))) as system:
        await ensure_admin_key(system.keys, Path(data_dir))
        await serve(create_app(system))


async def main() -> None:
    """Serve what the command line names."""
    match sys.argv[1:]:
        case ["ours", data_dir]:
            await serve_ours(data_dir)
        case ["echo"]:
            await serve(echo())
        case ["orm", file]:
            await serve(orm(file))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
