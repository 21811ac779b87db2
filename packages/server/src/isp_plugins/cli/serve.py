"""`isp-plugins serve`: reads the settings, opens the system and serves HTTP until it is told to stop."""

import os
from pathlib import Path
from typing import Annotated

import typer

from isp_plugins.settings import Settings


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on. [default: 127.0.0.1; or ISP_PLUGINS_HOST]", show_default=False
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="TCP port, 0 for a free one. [default: 8080; or ISP_PLUGINS_PORT]", show_default=False
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of everything the server keeps. [default: var; or ISP_PLUGINS_DATA_DIR]",
            show_default=False,
        ),
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(
            help="Name of this node, unique among the servers of one PostgreSQL. [default: local; or ISP_PLUGINS_NODE]",
            show_default=False,
        ),
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="PostgreSQL instead of SQLite. [or ISP_PLUGINS_DATABASE_URL]", show_default=False),
    ] = None,
) -> None:
    """Serve the API. docs/settings.md lists every setting; SIGTERM and Ctrl-C end it in good order."""
    settings = Settings.from_environment(
        os.environ, host=host, port=port, data_dir=data_dir, node=node, database_url=database_url
    )
    from isp_plugins.asgi import run  # the server's imports would slow every other command down

    run(settings)
