"""A command that only speaks HTTP imports nothing of the server: an operator waits for every import, each time."""

import subprocess
import sys

import pytest

THE_SERVERS = (
    "alembic", "asyncpg", "cryptography", "fastapi", "jinja2", "opentelemetry", "orjson", "sqlalchemy", "starlette", "uvicorn",
    "isp_plugin_sdk.sandbox", "isp_plugins.api", "isp_plugins.hooks", "isp_plugins.lifecycle", "isp_plugins.system", "isp_plugins.templates",
)  # fmt: skip
PROGRAM = """
import sys
from isp_plugins.cli.main import main
try:
    main()
finally:
    print("\\n".join(sys.modules), file=sys.__stdout__)
"""
AWAY = ("--url", "http://127.0.0.1:9", "--api-key", "x")


@pytest.mark.parametrize(("command", "code"), [(("--help",), 0), (("list", *AWAY), 3)], ids=["help", "list"])
def test_command_that_speaks_http_needs_nothing_of_the_server(command, code):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == code, done.stderr
    imported = done.stdout.splitlines()
    assert "isp_plugins.cli.main" in imported
    assert [name for name in THE_SERVERS if name in imported] == []
