"""Several nodes: who is there, who runs which singleton, and where a plugin runs at all."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    String,
)

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
compatible_from = "0006"
"""It only adds: code that knows nothing of it goes on as before."""


def upgrade() -> None:
    op.create_table(
        "nodes",
        Column("name", String(200), nullable=False),
        Column("incarnation", String(200), nullable=False),
        Column("home", String(200), nullable=False),
        Column("version", String(200), nullable=False),
        Column("revision", String(200), nullable=False),
        Column("address", String(200), nullable=False),
        Column("started_at", Double(), nullable=False),
        Column("seen_at", Double(), nullable=False),
        Column("state", String(32), nullable=False),
        Column("beats", BigInteger(), nullable=False),
        Column("losses", BigInteger(), nullable=False),
        PrimaryKeyConstraint("name", name="pk_nodes"),
    )
    op.create_table(
        "singletons",
        Column("plugin_id", Integer(), autoincrement=False, nullable=False),
        Column("node", String(200), nullable=True),
        Column("incarnation", String(200), nullable=True),
        Column("token", BigInteger(), nullable=False),
        Column("since", Double(), nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_singletons_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("plugin_id", name="pk_singletons"),
    )
    # Plain ALTERs, since a rebuilt table would take what hangs on it along.
    op.add_column("plugins", Column("placement", String(32), server_default="per-node", nullable=False))
    op.add_column("plugin_instances", Column("version", String(200), nullable=True))
