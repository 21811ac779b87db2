"""Database URLs."""

from pathlib import Path

import pytest

from isp_plugins.db.errors import DatabaseUrlError
from isp_plugins.db.urls import engine_url, sqlite_file


@pytest.mark.parametrize(
    "url", ["sqlite:////srv/x.db", "sqlite+aiosqlite:////srv/x.db", "sqlite+pysqlite:////srv/x.db"]
)
def test_a_sqlite_url_gets_our_driver(url: str) -> None:
    assert str(engine_url(url)) == "sqlite+aiosqlite:////srv/x.db"


@pytest.mark.parametrize(
    "url", ["postgresql://u@h/x", "postgresql+asyncpg://u@h/x", "postgresql+psycopg2://u@h/x"]
)
def test_a_postgresql_url_gets_our_driver(url: str) -> None:
    assert str(engine_url(url)) == "postgresql+asyncpg://u@h/x"


def test_a_sqlite_path_is_taken_literally() -> None:
    assert sqlite_file("sqlite:////srv/a%20b#c/x.db") == Path("/srv/a%20b#c/x.db")


def test_a_relative_path_starts_here() -> None:
    assert sqlite_file("sqlite:///var/x.db") == Path.cwd() / "var/x.db"


def test_postgresql_has_no_file() -> None:
    assert sqlite_file("postgresql://h/x") is None


def test_libpqs_sslmode_is_understood() -> None:
    assert engine_url("postgresql://h/x?sslmode=require").query == {"ssl": "require"}


@pytest.mark.parametrize(
    "url", ["postgresql://user:hunter2@h:port/x", "mysql://user:hunter2@h/x", "postgresql://user:hunter2@h"]
)
def test_no_error_repeats_a_password(url: str) -> None:
    with pytest.raises(DatabaseUrlError) as raised:
        engine_url(url)
    assert "hunter2" not in str(raised.value)
