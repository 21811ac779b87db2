"""Files that every node may need, by digest: plugins' wheels, and the wheels that no index has."""

from sqlalchemy import BigInteger, Boolean, Double, ForeignKey, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Name

Big = BigInteger().with_variant(Integer(), "sqlite")


class DepotFile(Base):
    """One file of the depot; moments are seconds of the epoch by the database's clock."""

    __tablename__ = "depot_files"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    digest: Mapped[str] = mapped_column(Name, index=True)
    """SHA-256; two nodes that put one file at once make two rows."""
    name: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(BigInteger)
    place: Mapped[str | None] = mapped_column(Text)
    """The object's path in the object store; None: `depot_chunks` hold it."""
    is_whole: Mapped[bool] = mapped_column(Boolean)
    """False while it is put, and while it is dropped."""
    held_until: Mapped[float] = mapped_column(Double)
    """Until then it is not dropped, whether a release refers to it or not."""


class DepotChunk(Base):
    """A part of a file."""

    __tablename__ = "depot_chunks"

    file_id: Mapped[int] = mapped_column(
        Big, ForeignKey("depot_files.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)
