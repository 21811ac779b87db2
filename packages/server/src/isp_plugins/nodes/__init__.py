"""The nodes of one database: who lives, who runs which singleton, what they tell each other, and what a node does that is cut off."""

from isp_plugins.nodes.membership import Membership
from isp_plugins.nodes.records import Node, NodeState

__all__ = ["Membership", "Node", "NodeState"]
