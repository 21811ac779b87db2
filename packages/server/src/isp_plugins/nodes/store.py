"""The rows of nodes and of singletons, in the database's time; always in the caller's session.

1. Every change of a node's row names its incarnation: what another process of the name does by now is left alone.
2. Whoever declares a node lost frees its singletons in the same transaction, and its event cursors and schedules right after.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.db.database_time import now_of
from isp_plugins.db.tables import EventCursor, NodeRow, Plugin, PluginInstance, Schedule, SingletonRow
from isp_plugins.nodes.records import Node, NodeOfPlugin, NodeState

LOCK_MS = 500
KEPT_S = 7 * 86_400.0
"""A node that left or was lost is shown for a week; then it is forgotten by the next one that joins."""
_AT_WORK = tuple(state.value for state in (State.ENABLING, State.ACTIVE, State.DISABLING))
NO_SYNC = {"synchronize_session": False}
_COLUMNS = (
    NodeRow.name,
    NodeRow.incarnation,
    NodeRow.home,
    NodeRow.version,
    NodeRow.revision,
    NodeRow.address,
    NodeRow.state,
    NodeRow.started_at,
    NodeRow.seen_at,
    NodeRow.beats,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a node says of itself."""

    name: str
    incarnation: str
    home: str
    version: str
    revision: str
    address: str


def readdressed(card: Card, address: str) -> Card:
    """The same node, listening elsewhere."""
    return replace(card, address=address)


@dataclass(frozen=True, slots=True)
class Held:
    """Who runs a singleton."""

    node: str | None
    incarnation: str | None
    token: int
    since: float


async def find(session: AsyncSession, name: str) -> tuple[Node, str] | None:
    """A node and its home."""
    now = now_of(session.get_bind().dialect.name)
    row = (
        (await session.execute(select(*_COLUMNS, now.label("now")).where(NodeRow.name == name)))
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    return _node(row), row["home"]


async def join(session: AsyncSession, card: Card, over: Node | None) -> bool:
    """Take the row of the name; False where another was quicker. `over` is what was found in it."""
    now = now_of(session.get_bind().dialect.name)
    values = {
        "incarnation": card.incarnation,
        "home": card.home,
        "version": card.version,
        "revision": card.revision,
        "address": card.address,
        "state": NodeState.ALIVE.value,
        "started_at": now,
        "seen_at": now,
        "losses": 0,
    }
    if over is None:
        make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        new = make(NodeRow).values(name=card.name, beats=0, **values).on_conflict_do_nothing()
        return bool((await session.execute(new.returning(NodeRow.name))).all())
    same = and_(
        NodeRow.name == card.name,
        NodeRow.incarnation == over.incarnation,
        NodeRow.beats == over.beats,
    )
    taken = update(NodeRow).where(same).values(**values, beats=NodeRow.beats + 1).returning(NodeRow.name)
    if not (await session.execute(taken, execution_options=NO_SYNC)).all():
        return False
    await _free_singletons(session, over.name, over.incarnation)
    await free_leases(session, over)
    return True


async def beat(session: AsyncSession, card: Card) -> int | None:
    """Be seen; how often this process was declared lost, or None where another process has the name by now."""
    now = now_of(session.get_bind().dialect.name)
    statement = (
        update(NodeRow)
        .where(NodeRow.name == card.name, NodeRow.incarnation == card.incarnation)
        .values(seen_at=now, beats=NodeRow.beats + 1, state=NodeState.ALIVE.value, address=card.address)
        .returning(NodeRow.losses)
    )
    losses: int | None = (await session.execute(statement, execution_options=NO_SYNC)).scalar_one_or_none()
    return losses


async def leave(session: AsyncSession, card: Card) -> None:
    """Be gone at once."""
    mine = and_(NodeRow.name == card.name, NodeRow.incarnation == card.incarnation)
    await session.execute(
        update(NodeRow).where(mine).values(state=NodeState.LEFT.value), execution_options=NO_SYNC
    )
    await _free_singletons(session, card.name, card.incarnation)


async def lose(session: AsyncSession, node: Node) -> bool:
    """Declare a node lost that has not been seen since, and free its singletons; False where it was seen."""
    statement = (
        update(NodeRow)
        .where(
            NodeRow.name == node.name,
            NodeRow.incarnation == node.incarnation,
            NodeRow.beats == node.beats,
            NodeRow.state == NodeState.ALIVE.value,
        )
        .values(state=NodeState.LOST.value, losses=NodeRow.losses + 1)
        .returning(NodeRow.name)
    )
    if not (await session.execute(statement, execution_options=NO_SYNC)).all():
        return False
    await _free_singletons(session, node.name, node.incarnation)
    return True


async def wait_briefly(session: AsyncSession) -> None:
    """Let the transaction fail rather than wait long for what another one holds."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text(f"SET LOCAL lock_timeout = {LOCK_MS}"))


async def free_leases(session: AsyncSession, node: Node) -> None:
    """Let others take over what a node delivered and ran by the clock; it would else last until the leases have run out."""
    prefix = f"{node.name}/"
    for table in (EventCursor, Schedule):
        its = table.owner.startswith(prefix, autoescape=True)
        await session.execute(update(table).where(its).values(lease_until=0.0), execution_options=NO_SYNC)


async def _free_singletons(session: AsyncSession, name: str, incarnation: str) -> None:
    its = and_(SingletonRow.node == name, SingletonRow.incarnation == incarnation)
    freed = {"node": None, "incarnation": None, "token": SingletonRow.token + 1}
    await session.execute(update(SingletonRow).where(its).values(**freed), execution_options=NO_SYNC)


async def living(session: AsyncSession) -> list[Node]:
    """Every node that counts as living."""
    now = now_of(session.get_bind().dialect.name)
    alive = NodeRow.state == NodeState.ALIVE.value
    rows = await session.execute(select(*_COLUMNS, now.label("now")).where(alive).order_by(NodeRow.name))
    return [_node(row) for row in rows.mappings()]


async def everyone(session: AsyncSession) -> list[Node]:
    """Every node that was ever there, with what it has of the plugins."""
    now = now_of(session.get_bind().dialect.name)
    rows = (await session.execute(select(*_COLUMNS, now.label("now")).order_by(NodeRow.name))).mappings()
    states: dict[str, dict[str, int]] = defaultdict(dict)
    lags: dict[str, int] = defaultdict(int)
    behind = func.sum(case((_is_behind(), 1), else_=0))
    counted = (
        select(PluginInstance.node, PluginInstance.state, func.count(), behind)
        .join(Plugin, Plugin.id == PluginInstance.plugin_id)
        .where(Plugin.uninstalled_at.is_(None))
        .group_by(PluginInstance.node, PluginInstance.state)
    )
    for node, state, count, lag in await session.execute(counted):
        states[node][state] = count
        lags[node] += int(lag or 0)
    return [_node(row, states[row["name"]], lags[row["name"]]) for row in rows]


def _is_behind() -> ColumnElement[bool]:
    """Whether something is to be done to a plugin on a node; nothing is where it is to be off and does not run, whatever was changed of it."""
    differs = or_(PluginInstance.generation.is_(None), PluginInstance.generation != Plugin.generation)
    matters = or_(Plugin.desired == Desired.ENABLED.value, PluginInstance.state.in_(_AT_WORK))
    return and_(differs, matters)


async def lag(session: AsyncSession, node: str) -> int:
    """How many plugins a node has not brought to what is wanted yet."""
    its = and_(PluginInstance.plugin_id == Plugin.id, PluginInstance.node == node)
    statement = (
        select(func.count())
        .select_from(Plugin)
        .outerjoin(PluginInstance, its)
        .where(Plugin.uninstalled_at.is_(None), _is_behind())
    )
    return await session.scalar(statement) or 0


async def forget_old(session: AsyncSession) -> None:
    """Forget nodes that were gone for so long that they do not come back."""
    old = now_of(session.get_bind().dialect.name) - KEPT_S
    gone = and_(NodeRow.state != NodeState.ALIVE.value, NodeRow.seen_at < old)
    await session.execute(delete(NodeRow).where(gone), execution_options=NO_SYNC)


# --- singletons ---


async def holders(session: AsyncSession) -> dict[int, Held]:
    """Who runs which singleton."""
    columns = (
        SingletonRow.plugin_id,
        SingletonRow.node,
        SingletonRow.incarnation,
        SingletonRow.token,
        SingletonRow.since,
    )
    rows = await session.execute(select(*columns))
    return {row[0]: Held(row[1], row[2], row[3], row[4]) for row in rows.all()}


async def take(session: AsyncSession, plugin_id: int, card: Card) -> Held | None:
    """Be the one that runs a singleton, or go on being it; who runs it then. None: this node does not count as living now."""
    now = now_of(session.get_bind().dialect.name)
    alive = await session.scalar(
        select(NodeRow.name)
        .where(
            NodeRow.name == card.name,
            NodeRow.incarnation == card.incarnation,
            NodeRow.state == NodeState.ALIVE.value,
        )
        .with_for_update()
    )
    if alive is None:
        return None
    make = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    new = make(SingletonRow).values(plugin_id=plugin_id, token=0, since=now)
    await session.execute(new.on_conflict_do_nothing())
    free = and_(SingletonRow.plugin_id == plugin_id, SingletonRow.node.is_(None))
    mine = {"node": card.name, "incarnation": card.incarnation, "since": now}
    await session.execute(
        update(SingletonRow)
        .where(free, ~_runs_elsewhere(plugin_id, card))
        .values(token=SingletonRow.token + 1, **mine),
        execution_options=NO_SYNC,
    )
    return (await holders(session)).get(plugin_id)


def _runs_elsewhere(plugin_id: int, card: Card) -> ColumnElement[bool]:
    """Whether another living node shows the plugin as active, or as being started: it has not yet learned that the plugin runs once."""
    return (
        select(PluginInstance.node)
        .join(NodeRow, NodeRow.name == PluginInstance.node)
        .where(
            PluginInstance.plugin_id == plugin_id,
            PluginInstance.node != card.name,
            PluginInstance.state.in_([State.ACTIVE.value, State.ENABLING.value]),
            NodeRow.state == NodeState.ALIVE.value,
        )
        .exists()
    )


async def give_up(session: AsyncSession, plugin_id: int, card: Card) -> None:
    """Leave a singleton to whoever comes."""
    its = and_(
        SingletonRow.plugin_id == plugin_id,
        SingletonRow.node == card.name,
        SingletonRow.incarnation == card.incarnation,
    )
    freed = {"node": None, "incarnation": None, "token": SingletonRow.token + 1}
    await session.execute(update(SingletonRow).where(its).values(**freed), execution_options=NO_SYNC)


async def of_plugin(session: AsyncSession, plugin_id: int) -> list[NodeOfPlugin]:
    """What every node that did not leave for good has of a plugin, beside what is wanted."""
    its = and_(PluginInstance.node == NodeRow.name, PluginInstance.plugin_id == plugin_id)
    statement = (
        select(
            NodeRow.name,
            NodeRow.state.label("node_state"),
            Plugin.placement,
            Plugin.desired,
            Plugin.version.label("wanted_version"),
            Plugin.generation.label("wanted_generation"),
            PluginInstance.state,
            PluginInstance.version,
            PluginInstance.generation,
            PluginInstance.since,
            PluginInstance.cause,
            PluginInstance.retry_at,
            SingletonRow.node.label("holder"),
            SingletonRow.token,
        )
        .select_from(NodeRow)
        .join(Plugin, Plugin.id == plugin_id)
        .outerjoin(PluginInstance, its)
        .outerjoin(SingletonRow, SingletonRow.plugin_id == plugin_id)
        .order_by(NodeRow.name)
    )
    rows = (await session.execute(statement)).mappings()
    return [
        NodeOfPlugin(
            node=row["name"],
            node_state=NodeState(row["node_state"]),
            desired=row["desired"],
            state=row["state"],
            version=row["version"],
            wanted_version=row["wanted_version"],
            generation=row["generation"],
            wanted_generation=row["wanted_generation"],
            since=row["since"],
            cause=row["cause"],
            retry_at=row["retry_at"],
            holds=None if row["placement"] == "per-node" else row["holder"] == row["name"],
        )
        for row in rows
    ]


def _node(row: Mapping[Any, Any], plugins: Mapping[str, int] | None = None, lag: int = 0) -> Node:
    fields = {str(key): row[key] for key in row if key not in {"home", "state"}}
    return Node(**fields, state=NodeState(row["state"]), plugins=plugins or {}, lag=lag)
