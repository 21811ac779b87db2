"""Events that event subscriptions are owed, how far each subscription has come, what failed, and what was done once.

1. `events` is a log: rows are only added, in the order of their ids, and deleted by retention. A success writes no row.
2. `event_cursors` says how far a subscription has come; `event_deliveries` holds only what did not simply succeed.
3. Moments are seconds of the epoch by the database's clock, so that nodes need not agree about the time.
"""

from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from isp_plugins.db.tables.base import Base, Name, Word

Big = BigInteger().with_variant(Integer(), "sqlite")


class EventRow(Base):
    """One event, owed to one or more subscriptions of its hook."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_hook_id", "hook", "id"),
        {"sqlite_autoincrement": True},  # an id is never used again: cursors stand on them
    )

    id: Mapped[int] = mapped_column(Big, primary_key=True)
    uid: Mapped[str] = mapped_column(String(32))
    """Random: idempotency keys are made of it, so that a restored database never repeats one."""
    hook: Mapped[str] = mapped_column(Name)
    key: Mapped[str | None] = mapped_column(Name)
    """What orders it; None: nothing does."""
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    """JSON."""
    context: Mapped[bytes] = mapped_column(LargeBinary)
    """JSON: `[context, chain]`."""
    request_id: Mapped[str] = mapped_column(Name)
    owed: Mapped[str] = mapped_column(Text)
    """Ids of the subscriptions whose conditions were true, with a comma before and after each."""
    node: Mapped[str] = mapped_column(Name)
    written_at: Mapped[float] = mapped_column(Double)
    held_until: Mapped[float] = mapped_column(Double)
    """For other nodes: the dispatch has ended by then; 0: it was released when it was written."""


class EventCursor(Base):
    """How far one event subscription has come, and which node delivers it."""

    __tablename__ = "event_cursors"

    subscription_id: Mapped[int] = mapped_column(
        ForeignKey("plugin_hooks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    position: Mapped[int] = mapped_column(BigInteger)
    """Every event up to this id is settled."""
    done: Mapped[list[int]] = mapped_column(JSON)
    """Events beyond the position that are settled."""
    judged_until: Mapped[int] = mapped_column(BigInteger)
    """Events up to this id are judged by the condition as it is now: the subscription was not there yet, or was set back."""
    paused_at: Mapped[float | None] = mapped_column(Double)
    paused_by: Mapped[str | None] = mapped_column(Name)
    owner: Mapped[str | None] = mapped_column(Name, index=True)
    """The process that delivers; None: nobody."""
    token: Mapped[int] = mapped_column(BigInteger)
    """Raised by every change of owner and every operator's act: an acknowledgement with another one is refused."""
    lease_until: Mapped[float] = mapped_column(Double)
    delivered: Mapped[int] = mapped_column(BigInteger)
    retried: Mapped[int] = mapped_column(BigInteger)
    dead: Mapped[int] = mapped_column(BigInteger)


class EventDelivery(Base):
    """One event that did not simply succeed with one subscription."""

    __tablename__ = "event_deliveries"
    __table_args__ = (
        Index("ix_event_deliveries_status", "subscription_id", "status", "event_id"),
        Index("ix_event_deliveries_lane", "subscription_id", "lane", "event_id"),
        Index("ix_event_deliveries_event_id", "event_id"),
    )

    subscription_id: Mapped[int] = mapped_column(
        ForeignKey("plugin_hooks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    lane: Mapped[str] = mapped_column(Name)
    """The event's key, or a name of its own."""
    status: Mapped[str] = mapped_column(Word)
    attempts: Mapped[int]
    failures: Mapped[int]
    """Attempts that count towards the dead letter."""
    round: Mapped[int]
    """Raised by a replay that asks for a new idempotency key."""
    next_at: Mapped[float] = mapped_column(Double)
    delay: Mapped[float] = mapped_column(Double)
    """What `next_at` was computed with: a clock that jumped cannot make it longer."""
    error: Mapped[str | None] = mapped_column(Text)
    history: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    """The last attempts: `{attempt, at, error, node, duration_ms}`."""
    changed_at: Mapped[float] = mapped_column(Double)


class EventMark(Base):
    """Something that a plugin did once, written together with what it stored meanwhile."""

    __tablename__ = "event_marks"

    plugin_id: Mapped[int] = mapped_column(ForeignKey("plugins.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(Name, primary_key=True)
    at: Mapped[float] = mapped_column(Double, index=True)


class Schedule(Base):
    """One schedule, and who runs it now."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    last_slot: Mapped[float] = mapped_column(Double)
    """The last slot that was taken; seconds of the epoch."""
    owner: Mapped[str | None] = mapped_column(Name)
    token: Mapped[int] = mapped_column(BigInteger)
    lease_until: Mapped[float] = mapped_column(Double)


class ScheduleRun(Base):
    """One slot of a schedule: the key lets no second node run it."""

    __tablename__ = "schedule_runs"

    name: Mapped[str] = mapped_column(Name, primary_key=True)
    slot: Mapped[float] = mapped_column(Double, primary_key=True)
    node: Mapped[str] = mapped_column(Name)
    missed: Mapped[int]
    """Slots before it that nobody ran; they are made good by this one."""
    started_at: Mapped[float] = mapped_column(Double)
    ended_at: Mapped[float | None] = mapped_column(Double)
    error: Mapped[str | None] = mapped_column(Text)
