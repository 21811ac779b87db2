"""What an operator is shown, and when consent is asked for."""

from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.contracts.grants import grant_lines, grants_difference


def grants(**table):
    return Grants.of(table)


def test_first_installation_asks_for_everything():
    difference = grants_difference(Grants(), grants(network=["a.example:1"], memory_mb=64))
    assert difference.needs_consent
    assert [line.what for line in difference.more] == ["a.example:1", "64"]


def test_same_grants_need_no_consent():
    same = grants(network=["a.example:1"], processes=True)
    difference = grants_difference(same, same)
    assert not difference.needs_consent
    assert str(difference) == "the same grants as before"


def test_less_needs_no_consent_and_is_shown():
    difference = grants_difference(
        grants(secrets=["a", "b"], memory_mb=512), grants(secrets=["a"], memory_mb=256)
    )
    assert not difference.needs_consent
    assert [(line.grant, line.what) for line in difference.less] == [("secrets", "b"), ("memory_mb", "512")]


def test_a_larger_number_needs_consent():
    assert grants_difference(grants(memory_mb=64), grants(memory_mb=65)).needs_consent
    assert not grants_difference(grants(memory_mb=65), grants(memory_mb=64)).needs_consent


def test_weak_grants_are_marked():
    weak = {
        line.what
        for line in grant_lines(
            grants(
                network=["a.example:1", "10.0.0.0/8:1", "b.example:*"],
                native_ports=[5432],
                processes=True,
                host_calls=["storage", "emit:*"],
            )
        )
        if line.weak
    }
    assert weak == {"10.0.0.0/8:1", "b.example:*", "5432", "yes", "emit:*"}


def test_datagrams_pings_and_ports_are_shown_as_what_they_open():
    lines = grant_lines(
        grants(network=["udp:10.0.0.0/8:161", "icmp:a.example", "icmp:*"], listen=["udp:514", "tcp:8080"])
    )
    assert [(line.grant, line.what, line.weak) for line in lines] == [
        ("network", "udp:10.0.0.0/8:161", True),
        ("network", "icmp:a.example", False),
        ("network", "icmp:*", True),
        ("listen", "udp:514", False),
        ("listen", "tcp:8080", False),
    ]
    assert "anybody" in str(lines[3])


def test_same_peer_over_another_protocol_needs_consent():
    assert grants_difference(
        grants(network=["a.example:53"]), grants(network=["udp:a.example:53"])
    ).needs_consent


def test_difference_reads_as_text():
    text = str(grants_difference(grants(secrets=["a"]), grants(secrets=["b"])))
    assert text == "+ secrets: b (is handed this secret)\n- secrets: a (is handed this secret)"
