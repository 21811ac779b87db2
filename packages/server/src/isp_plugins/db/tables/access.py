"""API keys and roles."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Json, Name, UtcDateTime


class Role(Base):
    """A named set of scopes; the built-in ones are seeded by the migration and cannot be changed."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    scopes: Mapped[list[str]] = mapped_column(Json)
    description: Mapped[str] = mapped_column(Text, default="")
    built_in: Mapped[bool] = mapped_column(default=False)


class ApiKey(Base):
    """An API key: only the SHA-256 of its 256-bit token is kept."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    token_hint: Mapped[str] = mapped_column(Name)
    """The first characters of the token, so that people can tell keys apart."""
    role: Mapped[str] = mapped_column(ForeignKey("roles.name"))
    plugins: Mapped[list[str] | None] = mapped_column(Json)
    """Names of the plugins this key is limited to; None: all."""
    hooks: Mapped[list[str] | None] = mapped_column(Json)
    """Names of the hooks this key is limited to; None: all."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(Name)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
