"""Alembic's way in: runs the migrations on the connection (and in the transaction) that `isp_plugins.db.migrate` hands over."""

from alembic import context

from isp_plugins.db.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # Ours to say on SQLite: transactions are begun by the engine, before the first statement.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
