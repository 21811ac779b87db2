"""The nodes of one database, and who of them runs which singleton."""

from sqlalchemy import BigInteger, Double, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Name, Word


class NodeRow(Base):
    """One node, by its name; a later process of that name takes the row over."""

    __tablename__ = "nodes"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    incarnation: Mapped[str] = mapped_column(Name)
    """The process, by a random id."""
    home: Mapped[str] = mapped_column(Name)
    """Which data directory it holds the lock of, on which boot of which machine."""
    version: Mapped[str] = mapped_column(Name)
    revision: Mapped[str] = mapped_column(Name)
    """The newest schema that the process knows."""
    address: Mapped[str] = mapped_column(Name)
    started_at: Mapped[float] = mapped_column(Double)
    """Of the database's time, seconds of the epoch, as all moments here."""
    seen_at: Mapped[float] = mapped_column(Double)
    state: Mapped[str] = mapped_column(Word)
    beats: Mapped[int] = mapped_column(BigInteger)
    """Raised by every heartbeat: others tell by it, and by no clock but their own, whether the node lives."""
    losses: Mapped[int] = mapped_column(BigInteger)
    """How often others declared it lost: by this it learns of it."""


class SingletonRow(Base):
    """Which node runs a singleton."""

    __tablename__ = "singletons"

    plugin_id: Mapped[int] = mapped_column(
        ForeignKey("plugins.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    node: Mapped[str | None] = mapped_column(Name)
    """None: nobody."""
    incarnation: Mapped[str | None] = mapped_column(Name)
    token: Mapped[int] = mapped_column(BigInteger)
    """Raised by every change of the node; never used twice."""
    since: Mapped[float] = mapped_column(Double)
