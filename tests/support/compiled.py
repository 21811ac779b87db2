"""Statements of SQLAlchemy are compiled once for each process of the tests, not once for each database that a test opens.

1. SQLAlchemy keeps what it compiled with the engine. The product opens one database in its life; a test process opens hundreds, and
   spent a tenth of its time on compiling the same statements for them.
2. A compiled statement depends on its own text and on the dialect: which one, and of which server's version. That is its key here.
"""

from typing import Any

from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.orm import Mapper
from sqlalchemy.util import LRUCache

KEPT = 5_000


class _Statements(LRUCache[Any, Any]):
    """As an engine's own cache, but each dialect in a key is as good as another one of its kind."""

    def get(self, key: tuple[Any, ...], default: Any = None) -> Any:
        return super().get(_of_its_kind(*key), default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        super().__setitem__(_of_its_kind(*key), compiled)


def _of_its_kind(dialect: Dialect, *statement: Any) -> tuple[Any, ...]:
    return type(dialect), dialect.paramstyle, getattr(dialect, "server_version_info", None), *statement


def share_compiled_statements() -> None:
    """From now on, engines of this process share what they compile; call it once, before the first engine."""
    statements = _Statements(KEPT)
    make_engine = Engine.__init__

    def make_sharing_engine(engine: Engine, *arguments: Any, **options: Any) -> None:
        make_engine(engine, *arguments, **options)
        engine._compiled_cache = statements

    Engine.__init__ = make_sharing_engine  # type: ignore[method-assign]  # there is no event of an engine that is made
    Mapper._compiled_cache = statements  # the same for what an ORM session writes
