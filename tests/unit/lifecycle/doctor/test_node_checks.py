"""What the doctor says of the nodes of one database."""

from collections.abc import Sequence
from typing import Any

from isp_plugins.lifecycle.doctor.facts import NodesFacts
from isp_plugins.lifecycle.doctor.findings import Finding, FindingStatus, Unread
from isp_plugins.lifecycle.doctor.node_checks import check_nodes
from isp_plugins.nodes.records import Node, NodeState


def node(name: str, **changes: Any) -> Node:
    fields: dict[str, Any] = {
        "incarnation": name, "version": "1.0", "revision": "0008", "address": "", "state": NodeState.ALIVE, "started_at": 0.0, "seen_at": 90.0,
        "beats": 1, "now": 100.0,
    }  # fmt: skip
    return Node(name=name, **(fields | changes))


def found(nodes: Sequence[Node] | Unread, cut_off: str | None = None) -> dict[str, Finding]:
    return {one.check: one for one in check_nodes(NodesFacts("a", cut_off, nodes))}


def test_nodes_that_live_alike_are_well() -> None:
    assert {one.status for one in found([node("a"), node("b")]).values()} == {FindingStatus.OK}


def test_a_lost_node_is_named_with_its_silence() -> None:
    finding = found([node("a"), node("b", state=NodeState.LOST)])["nodes"]
    assert finding.status is FindingStatus.WARNING
    assert finding.found == "1 alive: a; lost: b (silent for 10 s)"


def test_a_node_that_left_is_no_finding() -> None:
    assert found([node("a"), node("b", state=NodeState.LEFT)])["nodes"].status is FindingStatus.OK


def test_versions_that_differ_are_named() -> None:
    finding = found([node("a"), node("b", version="2.0")])["versions of nodes"]
    assert finding.status is FindingStatus.WARNING
    assert finding.found == "a has 1.0; b has 2.0"


def test_a_version_of_a_node_that_is_gone_does_not_count() -> None:
    checks = found([node("a"), node("b", version="2.0", state=NodeState.LEFT)])
    assert checks["versions of nodes"].status is FindingStatus.OK


def test_a_node_that_is_behind_is_named() -> None:
    finding = found([node("a"), node("b", lag=3)])["generations"]
    assert (finding.status, finding.found) == (FindingStatus.WARNING, "b is behind with 3")


def test_a_node_that_is_cut_off_is_a_problem_although_nothing_else_can_be_read() -> None:
    findings = list(check_nodes(NodesFacts("a", "node a is cut off", Unread("it does not answer"))))
    assert [one.status for one in findings] == [FindingStatus.PROBLEM, FindingStatus.UNKNOWN]


def test_without_a_server_nothing_is_known_of_nodes() -> None:
    assert [one.status for one in check_nodes(Unread("no server runs here"))] == [FindingStatus.UNKNOWN]
