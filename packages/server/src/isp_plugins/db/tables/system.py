"""Facts about the database itself."""

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Name


class SystemMetadata(Base):
    """Named facts: `application` marks the database as ours, `compatible_from` the oldest schema that may still use it."""

    __tablename__ = "system_metadata"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    value: Mapped[str] = mapped_column(Text)
