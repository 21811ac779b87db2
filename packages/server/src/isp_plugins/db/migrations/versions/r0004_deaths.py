"""How workers of plugins ended that nobody asked to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
NAME = String(200)
WORD = String(32)


def upgrade() -> None:
    op.create_table(
        "plugin_deaths",
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), nullable=False),
        Column("plugin_id", Integer(), nullable=False),
        Column("node", NAME, nullable=False),
        Column("plugin_name", NAME, nullable=False),
        Column("version", Text(), nullable=False),
        Column("pid", Integer(), nullable=False),
        Column("started_at", MOMENT, nullable=False),
        Column("died_at", MOMENT, nullable=False),
        Column("reason", WORD, nullable=False),
        Column("exit_code", Integer(), nullable=True),
        Column("signal", WORD, nullable=True),
        Column("detail", Text(), nullable=False),
        Column("log_tail", JSON, nullable=False),
        Column("cpu_s", Float(), nullable=True),
        Column("memory_bytes", BigInteger(), nullable=True),
        Column("open_files", Integer(), nullable=True),
        Column("threads", Integer(), nullable=True),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_plugin_deaths_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_plugin_deaths"),
    )
    op.create_index("ix_plugin_deaths_plugin_id_id", "plugin_deaths", ["plugin_id", "id"])
