"""The depot: files that every node may need, by digest."""

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
)

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
compatible_from = "0006"
"""It only adds: code that knows nothing of it goes on as before."""

BIG = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "depot_files",
        Column("id", BIG, nullable=False),
        Column("digest", String(200), nullable=False),
        Column("name", Text(), nullable=False),
        Column("bytes", BigInteger(), nullable=False),
        Column("place", Text(), nullable=True),
        Column("is_whole", Boolean(), nullable=False),
        Column("held_until", Double(), nullable=False),
        PrimaryKeyConstraint("id", name="pk_depot_files"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_depot_files_digest", "depot_files", ["digest"])
    op.create_table(
        "depot_chunks",
        Column("file_id", BIG, nullable=False),
        Column("number", Integer(), nullable=False),
        Column("data", LargeBinary(), nullable=False),
        ForeignKeyConstraint(
            ["file_id"],
            ["depot_files.id"],
            name="fk_depot_chunks_file_id_depot_files",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("file_id", "number", name="pk_depot_chunks"),
    )
