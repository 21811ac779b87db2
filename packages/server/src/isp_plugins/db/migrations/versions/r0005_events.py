"""Events that are kept until they are delivered, what plugins did once, and schedules."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
)

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON()
BIG = BigInteger().with_variant(Integer(), "sqlite")
NAME = String(200)
WORD = String(32)


def upgrade() -> None:
    _events()
    _cursors()
    _deliveries()
    _marks()
    _schedules()
    op.add_column("plugin_hooks", Column("retry", JSON, nullable=True))


def _events() -> None:
    op.create_table(
        "events",
        Column("id", BIG, nullable=False),
        Column("uid", String(32), nullable=False),
        Column("hook", NAME, nullable=False),
        Column("key", NAME, nullable=True),
        Column("payload", LargeBinary(), nullable=False),
        Column("context", LargeBinary(), nullable=False),
        Column("request_id", NAME, nullable=False),
        Column("owed", Text(), nullable=False),
        Column("node", NAME, nullable=False),
        Column("written_at", Double(), nullable=False),
        Column("held_until", Double(), nullable=False),
        PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_hook_id", "events", ["hook", "id"])


def _cursors() -> None:
    op.create_table(
        "event_cursors",
        Column("subscription_id", Integer(), autoincrement=False, nullable=False),
        Column("position", BigInteger(), nullable=False),
        Column("done", JSON, nullable=False),
        Column("judged_until", BigInteger(), nullable=False),
        Column("paused_at", Double(), nullable=True),
        Column("paused_by", NAME, nullable=True),
        Column("owner", NAME, nullable=True),
        Column("token", BigInteger(), nullable=False),
        Column("lease_until", Double(), nullable=False),
        *(Column(name, BigInteger(), nullable=False) for name in ("delivered", "retried", "dead")),
        _of_subscription("event_cursors"),
        PrimaryKeyConstraint("subscription_id", name="pk_event_cursors"),
    )
    op.create_index("ix_event_cursors_owner", "event_cursors", ["owner"])
    op.execute("""
        INSERT INTO event_cursors
            (subscription_id, position, done, judged_until, token, lease_until, delivered, retried, dead)
        SELECT id, 0, '[]', 0, 0, 0, 0, 0, 0 FROM plugin_hooks WHERE hook_type = 'event'
        """)


def _deliveries() -> None:
    op.create_table(
        "event_deliveries",
        Column("subscription_id", Integer(), autoincrement=False, nullable=False),
        Column("event_id", BigInteger(), autoincrement=False, nullable=False),
        Column("lane", NAME, nullable=False),
        Column("status", WORD, nullable=False),
        *(Column(name, Integer(), nullable=False) for name in ("attempts", "failures", "round")),
        Column("next_at", Double(), nullable=False),
        Column("delay", Double(), nullable=False),
        Column("error", Text(), nullable=True),
        Column("history", JSON, nullable=False),
        Column("changed_at", Double(), nullable=False),
        _of_subscription("event_deliveries"),
        PrimaryKeyConstraint("subscription_id", "event_id", name="pk_event_deliveries"),
    )
    op.create_index(
        "ix_event_deliveries_status", "event_deliveries", ["subscription_id", "status", "event_id"]
    )
    op.create_index("ix_event_deliveries_lane", "event_deliveries", ["subscription_id", "lane", "event_id"])
    op.create_index("ix_event_deliveries_event_id", "event_deliveries", ["event_id"])


def _marks() -> None:
    op.create_table(
        "event_marks",
        Column("plugin_id", Integer(), nullable=False),
        Column("key", NAME, nullable=False),
        Column("at", Double(), nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_event_marks_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("plugin_id", "key", name="pk_event_marks"),
    )
    op.create_index("ix_event_marks_at", "event_marks", ["at"])


def _schedules() -> None:
    op.create_table(
        "schedules",
        Column("name", NAME, nullable=False),
        Column("last_slot", Double(), nullable=False),
        Column("owner", NAME, nullable=True),
        Column("token", BigInteger(), nullable=False),
        Column("lease_until", Double(), nullable=False),
        PrimaryKeyConstraint("name", name="pk_schedules"),
    )
    op.create_table(
        "schedule_runs",
        Column("name", NAME, nullable=False),
        Column("slot", Double(), nullable=False),
        Column("node", NAME, nullable=False),
        Column("missed", Integer(), nullable=False),
        Column("started_at", Double(), nullable=False),
        Column("ended_at", Double(), nullable=True),
        Column("error", Text(), nullable=True),
        PrimaryKeyConstraint("name", "slot", name="pk_schedule_runs"),
    )


def _of_subscription(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["subscription_id"],
        ["plugin_hooks.id"],
        name=f"fk_{table}_subscription_id_plugin_hooks",
        ondelete="CASCADE",
    )
