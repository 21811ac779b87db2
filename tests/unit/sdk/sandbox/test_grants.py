"""What a manifest's grants may say, and that everything wrong in them is told at once."""

import pytest

from isp_plugin_sdk.sandbox.errors import GrantsInvalidError
from isp_plugin_sdk.sandbox.grants import Grants, Listen, Peer, listen_of, peer_of


def mistakes(table):
    with pytest.raises(GrantsInvalidError) as caught:
        Grants.of(table)
    return {each["path"]: each["message"] for each in caught.value.mistakes}


def test_empty_table_grants_nothing():
    assert Grants.of({}) == Grants()
    assert Grants().to_table() == {}


def test_table_survives_being_read_and_written():
    table = {
        "network": [
            "api.example.com:443",
            "10.0.0.0/8:*",
            "[2001:db8::1]:25",
            "udp:10.0.0.0/8:161",
            "udp:[2001:db8::1]:*",
            "icmp:router.example",
            "icmp:[2001:db8::1]",
        ],
        "listen": ["tcp:8080", "udp:514"],
        "native_ports": [5432],
        "files": {"read": ["/srv/rates"], "write": ["/srv/out"]},
        "host_calls": ["storage", "dispatch:invoice_*", "emit:payment_received"],
        "secrets": ["api_key"],
        "processes": True,
        "memory_mb": 256,
        "cpu_seconds": 60,
        "open_files": 64,
        "file_mb": 10,
    }
    assert Grants.of(table).to_table() == table


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("API.Example.com.:443", Peer("api.example.com", 443)),
        ("[2001:DB8:0::1]:25", Peer("2001:db8::1", 25)),
        ("10.0.0.0/8:*", Peer("10.0.0.0/8", None)),
        ("localhost:80", Peer("localhost", 80)),
        ("tcp:localhost:80", Peer("localhost", 80)),
        ("udp:Radius.Example:1812", Peer("radius.example", 1812, "udp")),
        ("udp:[2001:DB8:0::1]:161", Peer("2001:db8::1", 161, "udp")),
        ("icmp:*", Peer("*", None, "icmp")),
        ("icmp:10.0.0.0/8", Peer("10.0.0.0/8", None, "icmp")),
        ("icmp:[2001:db8::]", Peer("2001:db8::", None, "icmp")),
        ("udp:53", Peer("udp", 53)),
        ("icmp:443", Peer("icmp", 443)),
    ],
)
def test_peer_is_read_in_its_shortest_form(text, peer):
    assert peer_of(text) == peer


@pytest.mark.parametrize(
    "text",
    ["", "example.com", ":443", "example.com:", "example.com:0", "example.com:65536", "2001:db8::1:25",
     "*.example.com:443", "10.0.0.1/8:22", "1.2.3:80", "a b:80", "http://example.com:443", "example.com:-1", "a..b:80",
     "udp:a.example", "udp:a.example:0", "icmp:a.example:7", "icmp:2001:db8::1", "icmp:", "sctp:a.example:1"],
)  # fmt: skip
def test_what_is_no_peer_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        peer_of(text)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("relative/path", "absolute"),
        ("/srv/../etc", "`..`"),
        ("/srv/./x", "`..`"),
        ("~/x", "absolute"),
        ("/srv/*", "wildcards"),
        ("/", "root"),
        ("//", "root"),
        ("/srv\0/x", "literal"),
    ],
)
@pytest.mark.parametrize("kind", ["read", "write"])
def test_path_that_is_not_literal_and_absolute_is_refused(kind, path, why):
    assert why in mistakes({"files": {kind: [path]}})[f"files.{kind}[0]"]


def test_all_mistakes_are_told_at_once():
    told = mistakes(
        {
            "netwrok": [],
            "network": ["x"],
            "native_ports": [0, "80", True],
            "files": {"read": "/srv", "write": [3]},
            "host_calls": ["storage", "delete:everything"],
            "secrets": [""],
            "processes": "yes",
            "memory_mb": 1,
            "open_files": 10.5,
        }
    )
    assert set(told) == {
        "netwrok", "network[0]", "native_ports[0]", "native_ports[1]", "native_ports[2]", "files.read",
        "files.write[0]", "host_calls[1]", "secrets[0]", "processes", "memory_mb", "open_files",
    }  # fmt: skip
    assert "did you mean 'network'" in told["netwrok"]


def test_port_to_listen_on_is_read():
    assert listen_of("udp:162") == Listen("udp", 162)


@pytest.mark.parametrize(
    "text", ["514", "udp:", "udp:*", "udp:0", "udp:65536", "icmp:1", "tcp:127.0.0.1:80", "TCP:80"]
)
def test_what_is_no_port_to_listen_on_is_refused(text):
    assert "listen[0]" in mistakes({"listen": [text]})


@pytest.mark.parametrize(
    ("written", "read"),
    [("[::ffff:192.0.2.1]:25", "192.0.2.1:25"), ("udp:[fe80::1%eth0]:53", "udp:[fe80::1]:53")],
)
def test_address_is_read_as_it_is_compared(written, read):
    """A denial names the address in this form, so that the grant which it asks for is the one that helps."""
    assert str(peer_of(written)) == read
