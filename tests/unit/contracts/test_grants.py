"""What an operator is shown, and when consent is asked for."""

from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.contracts.grants import grant_lines, grants_difference


def grants(**table):
    return Grants.of(table)


def test_first_installation_asks_for_everything():
    difference = grants_difference(Grants(), grants(network=["a.example:1"], memory_mb=1024))
    assert difference.needs_consent
    assert [line.what for line in difference.more] == ["a.example:1", "1024"]


def test_same_grants_need_no_consent():
    same = grants(network=["a.example:1"], processes=True)
    difference = grants_difference(same, same)
    assert not difference.needs_consent
    assert str(difference) == "the same grants as before"


def test_less_needs_no_consent_and_is_shown():
    difference = grants_difference(
        grants(secrets=["a", "b"], memory_mb=2048), grants(secrets=["a"], memory_mb=1024)
    )
    assert not difference.needs_consent
    assert [(line.grant, line.what) for line in difference.less] == [("secrets", "b"), ("memory_mb", "2048")]


def test_a_larger_number_needs_consent():
    assert grants_difference(grants(memory_mb=600), grants(memory_mb=601)).needs_consent
    assert not grants_difference(grants(memory_mb=601), grants(memory_mb=600)).needs_consent
    assert not grants_difference(grants(memory_mb=601), Grants()).needs_consent


def test_a_number_that_binds_it_below_what_every_worker_has_needs_no_consent():
    modest = grants(memory_mb=64, cpu_seconds=60, open_files=64, file_mb=1)
    usual = grants(memory_mb=512, open_files=1024, file_mb=256)
    assert not grants_difference(Grants(), modest).needs_consent
    assert not grants_difference(modest, usual).needs_consent
    assert not grants_difference(modest, Grants()).needs_consent
    more = {"memory_mb": 513, "open_files": 1025, "file_mb": 257}
    asked = grants_difference(modest, grants(**more)).more
    assert [line.grant for line in asked] == [*more]


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
