"""Installing plugins: operations, releases, and plugins that are uninstalled but not forgotten."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column, Float, ForeignKeyConstraint, Integer, PrimaryKeyConstraint, String
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
NAME = String(200)
WORD = String(32)


def upgrade() -> None:
    _operations()
    _releases()


def _operations() -> None:
    """Long work with its steps."""
    op.create_table(
        "operations",
        Column("id", Integer(), nullable=False),
        Column("kind", WORD, nullable=False),
        Column("subject", NAME, nullable=False),
        Column("state", WORD, nullable=False),
        Column("steps", JSON, nullable=False),
        Column("progress", Float(), nullable=False),
        Column("actor", JSON, nullable=False),
        Column("request", JSON, nullable=False),
        Column("result", JSON, nullable=True),
        Column("error", JSON, nullable=True),
        Column("node", NAME, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("started_at", MOMENT, nullable=True),
        Column("ended_at", MOMENT, nullable=True),
        PrimaryKeyConstraint("id", name="pk_operations"),
        sqlite_autoincrement=True,
    )
    for column in ("state", "subject", "ended_at"):
        op.create_index(f"ix_operations_{column}", "operations", [column])


def _releases() -> None:
    """What is installed of a plugin, and what is kept of one that is not any more."""
    op.create_table(
        "plugin_releases",
        Column("id", Integer(), nullable=False),
        Column("plugin_id", Integer(), nullable=False),
        Column("version", NAME, nullable=False),
        Column("digest", NAME, nullable=False),
        Column("environment", NAME, nullable=False),
        Column("lock", JSON, nullable=False),
        Column("manifest", JSON, nullable=False),
        Column("source", JSON, nullable=False),
        Column("operation_id", Integer(), nullable=True),
        Column("installed_at", MOMENT, nullable=False),
        Column("installed_by", NAME, nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_plugin_releases_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_plugin_releases"),
    )
    op.create_index("ix_plugin_releases_plugin_id", "plugin_releases", ["plugin_id"])
    op.add_column("plugins", Column("release_id", Integer(), nullable=True))
    op.add_column("plugins", Column("uninstalled_at", MOMENT, nullable=True))
