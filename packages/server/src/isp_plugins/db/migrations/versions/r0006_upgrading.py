"""Upgrading plugins: what a plugin held when one of its releases was left for another."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
)

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "plugin_snapshots",
        Column("id", Integer(), nullable=False),
        Column("plugin_id", Integer(), nullable=False),
        Column("release_id", Integer(), nullable=False),
        Column("successor_id", Integer(), nullable=False),
        Column("content", LargeBinary(), nullable=False),
        Column("description", LargeBinary(), nullable=False),
        Column("watch_until", MOMENT, nullable=True),
        Column("breach", Text(), nullable=True),
        Column("why", Text(), nullable=True),
        Column("created_at", MOMENT, nullable=False),
        Column("created_by", String(200), nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_plugin_snapshots_plugin_id_plugins", ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["release_id"],
            ["plugin_releases.id"],
            name="fk_plugin_snapshots_release_id_plugin_releases",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("id", name="pk_plugin_snapshots"),
        UniqueConstraint("release_id", name="uq_plugin_snapshots_release_id"),
    )
    op.create_index("ix_plugin_snapshots_plugin_id", "plugin_snapshots", ["plugin_id"])
