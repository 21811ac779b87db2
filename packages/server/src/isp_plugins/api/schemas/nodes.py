"""Nodes of one database, and what each has of a plugin."""

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from isp_plugins.api.schemas.base import Output, datetime
from isp_plugins.contracts.vocabulary import Desired, State
from isp_plugins.nodes.records import NodeState

NODE_EXAMPLE: JsonDict = {
    "name": "node-a", "state": "alive", "is_self": True, "version": "0.1.0", "revision": "0008", "address": "http://10.0.0.1:8080",
    "incarnation": "5c1f0b6f2a3d4e5f", "started_at": "2030-01-31T12:00:00Z", "seen_at": "2030-01-31T13:00:00Z", "silent_s": 0.7,
    "plugins": {"active": 12, "standby": 1}, "lag": 0,
}  # fmt: skip
NODE_OF_PLUGIN_EXAMPLE: JsonDict = {
    "node": "node-a", "node_state": "alive", "desired": "enabled", "state": "active", "version": "1.2.0", "wanted_version": "1.2.0", "generation": 4,
    "wanted_generation": 4, "in_step": True, "since": "2030-01-31T12:00:00Z", "cause": None, "retry_at": None, "holds": None,
}  # fmt: skip


class NodeOut(Output):
    """One node, as the database knows it."""

    model_config = ConfigDict(json_schema_extra={"examples": [NODE_EXAMPLE]})

    name: str
    state: NodeState
    is_self: bool = Field(description="Whether it is the node that answers.")
    version: str = Field(description="Of isp-plugins.")
    revision: str = Field(description="The newest schema of the database that it knows.")
    address: str
    incarnation: str = Field(description="Another one after every start.")
    started_at: datetime
    seen_at: datetime = Field(description="Its last heartbeat, in the database's time.")
    silent_s: float = Field(description="Seconds since its last heartbeat; 0 of the node that answers.")
    plugins: dict[State, int] = Field(description="How many plugins it reported in which state.")
    lag: int = Field(description="Plugins that it has not brought to what is wanted yet.")


class NodesOut(Output):
    """Every node."""

    items: list[NodeOut]


class SelfOut(Output):
    """The node that answers, as it knows itself; no database is asked."""

    name: str
    incarnation: str
    version: str
    is_cut_off: bool = Field(
        description="It cannot reach the database: it goes on with what it has, and refuses changes."
    )
    cut_off_since: datetime | None
    cause: str | None
    lag: int = Field(description="Plugins that it had not brought to what is wanted when it looked last.")
    others: list[str] = Field(description="The other nodes that lived when it looked last.")


class NodeOfPluginOut(Output):
    """One plugin on one node: what it is there, beside what is wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [NODE_OF_PLUGIN_EXAMPLE]})

    node: str
    node_state: NodeState
    desired: Desired
    state: State | None = Field(description="null: the node has not reported of it.")
    version: str | None
    wanted_version: str
    generation: int | None
    wanted_generation: int
    in_step: bool = Field(description="Whether the node has brought it to what is wanted.")
    since: datetime | None
    cause: str | None
    retry_at: datetime | None
    holds: bool | None = Field(
        description="Whether this node is the one that runs it; null where it runs on every node."
    )


class NodesOfPluginOut(Output):
    """One plugin on every node."""

    items: list[NodeOfPluginOut]
