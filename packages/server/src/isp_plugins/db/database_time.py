"""The database's own time, in seconds of the epoch: what all nodes of one database agree on."""

from sqlalchemy import Double, literal_column
from sqlalchemy.sql.elements import ColumnElement

SQLITE_NOW = "(julianday('now') - 2440587.5) * 86400.0"
POSTGRES_NOW = "extract(epoch from clock_timestamp())::float8"


def now_of(dialect: str) -> ColumnElement[float]:
    """Now, as an expression of a statement."""
    return literal_column(POSTGRES_NOW if dialect == "postgresql" else SQLITE_NOW, Double)
