"""The engines of a test process share what they compile (`support.compiled`)."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, event, literal, select
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import CacheStats
from sqlalchemy.orm import Session

from isp_plugins.db.tables.system import SystemMetadata


@contextmanager
def new_engine() -> Iterator[tuple[Engine, list[CacheStats]]]:
    """An engine on a database of its own, and where each of its statements came from."""
    engine = create_engine("sqlite://")
    came: list[CacheStats] = []
    event.listen(
        engine,
        "before_cursor_execute",
        lambda _connection, _cursor, _text, _values, context, _many: came.append(context.cache_hit),
    )
    yield engine, came
    engine.dispose()


def select_one() -> CacheStats:
    with new_engine() as (engine, came), engine.connect() as connection:
        connection.execute(select(literal(1).label("compiled_once")))
    return came[-1]


def insert_one() -> CacheStats:
    with new_engine() as (engine, came):
        SystemMetadata.__table__.create(engine)
        with Session(engine) as session:
            session.add(SystemMetadata(name="name", value="value"))
            session.flush()
    return came[-1]


def test_second_engine_takes_what_the_first_compiled() -> None:
    select_one()
    assert select_one() is CacheStats.CACHE_HIT


def test_second_session_takes_what_the_first_compiled() -> None:
    insert_one()
    assert insert_one() is CacheStats.CACHE_HIT
