"""Which change was the operator's last wish that a plugin run, and which its last configuration: other nodes act on them as on their own."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
compatible_from = "0006"
"""It only adds: code that knows nothing of it goes on as before, and replaces instances where this one hands them a configuration."""


def upgrade() -> None:
    with op.batch_alter_table("plugins") as table:
        table.add_column(Column("asked_generation", Integer(), nullable=False, server_default="0"))
        table.add_column(Column("config_generation", Integer(), nullable=False, server_default="0"))
