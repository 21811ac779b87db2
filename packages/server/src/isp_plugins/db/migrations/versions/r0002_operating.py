"""What operating it needs: statistics, what is counted of logs, and the scope that reads metrics."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
)
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
NAME = String(200)
WORD = String(32)


def upgrade() -> None:
    _statistics()
    _logs()
    _health()
    _grant("metrics:read", "viewer", "operator", "developer", "admin")


def _statistics() -> None:
    """What each node counted of each plugin."""
    op.create_table(
        "plugin_statistics",
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), nullable=False),
        Column("node", NAME, nullable=False),
        Column("resolution", WORD, nullable=False),
        Column("at", MOMENT, nullable=False),
        Column("plugin_id", Integer(), nullable=True),
        Column("body", LargeBinary(), nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_plugin_statistics_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_plugin_statistics"),
    )
    op.create_index("ix_plugin_statistics_resolution_at", "plugin_statistics", ["resolution", "at"])
    op.create_index("ix_plugin_statistics_plugin_id", "plugin_statistics", ["plugin_id"])
    op.create_table(
        "plugin_last_runs",
        Column("node", NAME, nullable=False),
        Column("plugin_id", Integer(), nullable=False),
        Column("body", LargeBinary(), nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_plugin_last_runs_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("node", "plugin_id", name="pk_plugin_last_runs"),
    )
    op.create_index("ix_plugin_last_runs_plugin_id", "plugin_last_runs", ["plugin_id"])


def _logs() -> None:
    """What is counted of each plugin's log, and a way in by method."""
    op.create_index("ix_plugin_logs_method_level_at", "plugin_logs", ["method", "level", "at", "id"])
    counts = (
        "records",
        "bytes",
        "written",
        "dropped",
        "deleted_by_age",
        "deleted_by_size",
        "deleted_through",
    )
    op.create_table(
        "plugin_log_totals",
        Column("plugin_id", Integer(), autoincrement=False, nullable=False),
        Column("plugin_name", NAME, nullable=False),
        *(Column(name, BigInteger(), nullable=False) for name in counts),
        PrimaryKeyConstraint("plugin_id", name="pk_plugin_log_totals"),
    )
    op.create_index("ix_plugin_log_totals_plugin_name", "plugin_log_totals", ["plugin_name"])
    op.execute("""
        INSERT INTO plugin_log_totals
            (plugin_id, plugin_name, records, bytes, written, dropped, deleted_by_age, deleted_by_size, deleted_through)
        SELECT plugin_id, max(plugin_name), count(*), sum(256 + length(message) + length(coalesce(traceback, ''))), count(*), 0, 0, 0, 0
        FROM plugin_logs GROUP BY plugin_id
        """)  # 256 bytes beside the text, as the server reckons


def _health() -> None:
    """What each node found about each plugin's health."""
    op.create_table(
        "plugin_health_history",
        Column("plugin_id", Integer(), nullable=False),
        Column("node", NAME, nullable=False),
        Column("number", Integer(), autoincrement=False, nullable=False),
        Column("event", WORD, nullable=False),
        Column("status", WORD, nullable=False),
        Column("at", MOMENT, nullable=False),
        Column("last_at", MOMENT, nullable=False),
        Column("times", Integer(), nullable=False),
        Column("message", sa.Text(), nullable=False),
        Column("checks", JSON, nullable=False),
        Column("duration_ms", sa.Float(), nullable=True),
        ForeignKeyConstraint(
            ["plugin_id"],
            ["plugins.id"],
            name="fk_plugin_health_history_plugin_id_plugins",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("plugin_id", "node", "number", name="pk_plugin_health_history"),
    )


def _grant(scope: str, *roles: str) -> None:
    """Add a scope to built-in roles."""
    table = sa.table("roles", Column("name", NAME), Column("scopes", JSON))
    connection = op.get_bind()
    for row in connection.execute(sa.select(table).where(table.c.name.in_(roles))).all():
        scopes = sorted({*row.scopes, scope})
        connection.execute(sa.update(table).where(table.c.name == row.name).values(scopes=scopes))
