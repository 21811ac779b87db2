"""Several nodes: which change of a plugin was the last for which a running instance has to be replaced."""

from alembic import op
from sqlalchemy import Column, Integer

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
compatible_from = "0006"
"""It only adds: code that knows nothing of it goes on as before."""


def upgrade() -> None:
    # A plain ALTER, since a rebuilt table would take what hangs on it along.
    op.add_column("plugins", Column("load_generation", Integer(), server_default="1", nullable=False))
    op.execute("UPDATE plugins SET load_generation = generation")
