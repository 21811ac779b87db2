"""Checks of the nodes of one database. Pure functions over facts.

1. A node that is cut off works with what it has: a problem, since nothing can be changed there and its singletons run elsewhere.
2. A node that was lost and did not come back is a warning until it is forgotten; so are versions that differ, and plugins that a node
   has not brought to what is wanted.
"""

from collections.abc import Iterator, Sequence

from isp_plugins.lifecycle.doctor.facts import NodesFacts
from isp_plugins.lifecycle.doctor.findings import Finding, Unread, ok, problem, unknown, warning
from isp_plugins.nodes.records import Node, NodeState


def check_nodes(facts: NodesFacts | Unread) -> Iterator[Finding]:
    """Everything about nodes; one that is alone has little to say."""
    if isinstance(facts, Unread):
        yield unknown("nodes", facts.why)
        return
    if facts.cut_off is not None:
        yield problem(
            "nodes",
            facts.cut_off,
            expected="a database that answers",
            next_step="see that PostgreSQL runs and that this machine reaches it; the node catches up by itself",
        )
    if isinstance(facts.nodes, Unread):
        yield unknown("nodes", facts.nodes.why)
        return
    living = [node for node in facts.nodes if node.state is NodeState.ALIVE]
    yield _lost([node for node in facts.nodes if node.state is NodeState.LOST], living)
    yield _versions(living)
    yield _behind(living)


def _lost(lost: Sequence[Node], living: Sequence[Node]) -> Finding:
    names = ", ".join(node.name for node in living)
    if not lost:
        return ok("nodes", f"{len(living)} alive: {names}")
    gone = ", ".join(f"{node.name} (silent for {node.now - node.seen_at:.0f} s)" for node in lost)
    return warning(
        "nodes",
        f"{len(living)} alive: {names}; lost: {gone}",
        expected="nodes that live, or were stopped in good order",
        next_step="start it again, or leave it: others have its leases, and it is forgotten after a week",
    )


def _versions(living: Sequence[Node]) -> Finding:
    versions = sorted({node.version for node in living})
    if len(versions) <= 1:
        return ok("versions of nodes", f"all have {''.join(versions)}")
    return warning(
        "versions of nodes",
        "; ".join(f"{node.name} has {node.version}" for node in living),
        expected="one version, but for the time of an upgrade",
        next_step="upgrade the nodes that are behind; what only the newest schema allows waits for them",
    )


def _behind(living: Sequence[Node]) -> Finding:
    behind = [node for node in living if node.lag]
    if not behind:
        return ok("generations", "every node has brought every plugin to what is wanted")
    return warning(
        "generations",
        ", ".join(f"{node.name} is behind with {node.lag}" for node in behind),
        expected="every plugin as it is wanted, a second after a change",
        next_step="isp-plugins nodes PLUGIN shows what each node has and why; look again in a moment",
    )
