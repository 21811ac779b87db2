"""Database URLs: what an operator may write, and what the engine is given.

1. `sqlite:///file` and `postgresql://...` are accepted, with or without a driver's name; the driver is always ours.
2. A SQLite path is taken literally (no percent-decoding) and takes no options: the product sets every one itself.
3. libpq's `sslmode` is understood for PostgreSQL. A password is never repeated in an error.
"""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from isp_plugins.db.errors import DatabaseUrlError

SQLITE = "sqlite"
POSTGRESQL = "postgresql"


def engine_url(url: str) -> URL:
    """The URL for SQLAlchemy's async engine, ours driver filled in; raises `DatabaseUrlError`."""
    scheme, separator, rest = url.partition("://")
    dialect = scheme.partition("+")[0]
    if dialect == SQLITE and separator:
        return _sqlite(rest)
    if dialect == POSTGRESQL and separator:
        return _postgresql(f"{POSTGRESQL}+asyncpg://{rest}")
    raise DatabaseUrlError(reason=f"the scheme {scheme!r} is not known" if separator else "it has no scheme")


def sqlite_file(url: str) -> Path | None:
    """The absolute path of a SQLite URL's file; None for PostgreSQL."""
    parsed = engine_url(url)
    return (
        Path(parsed.database).absolute() if parsed.database and parsed.get_backend_name() == SQLITE else None
    )


def dsn_of(url: URL) -> str:
    """An engine's PostgreSQL URL as the driver itself takes it."""
    mode = url.query.get("ssl")
    if mode is not None:
        url = url.difference_update_query(["ssl"]).update_query_dict({"sslmode": mode})
    return url.set(drivername=POSTGRESQL).render_as_string(hide_password=False)


def _sqlite(rest: str) -> URL:
    path = rest.removeprefix("/")
    if not rest.startswith("/") or not path or path == ":memory:":
        raise DatabaseUrlError(reason="SQLite needs the path of a file after three slashes")
    if "?" in path:
        raise DatabaseUrlError(reason="a SQLite URL takes no options after `?`")
    return URL.create("sqlite+aiosqlite", database=path)


def _postgresql(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not chained: the cause would repeat the URL, and the password in it.
        raise DatabaseUrlError(reason="it is not a well-formed PostgreSQL URL") from None
    if not parsed.database:
        raise DatabaseUrlError(reason="it names no database after the host")
    if "sslmode" in parsed.query:
        mode = parsed.query["sslmode"]
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return parsed
