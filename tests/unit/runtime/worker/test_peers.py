"""Whom grants let a worker reach, decided without a network."""

import ipaddress

import pytest

from isp_plugin_sdk.sandbox.grants import peer_of
from isp_plugins.runtime.worker.peers import MAX_REMEMBERED, REMEMBERED_S, Peers, address_of, is_special


def peers(*grants):
    return Peers([peer_of(text) for text in grants])


def reaches(granted, address, port, now=0.0):
    return granted.may_reach_address(address_of(address), port, now)


@pytest.mark.parametrize(
    ("grant", "address", "port", "allowed"),
    [
        ("192.0.2.1:25", "192.0.2.1", 25, True),
        ("192.0.2.1:25", "192.0.2.1", 26, False),
        ("192.0.2.1:25", "192.0.2.2", 25, False),
        ("192.0.2.0/24:*", "192.0.2.77", 9, True),
        ("192.0.2.0/24:*", "192.0.3.77", 9, False),
        ("[2001:db8::/32]:25", "2001:db8::5", 25, True),
        ("192.0.2.1:25", "::ffff:192.0.2.1", 25, True),
        ("0.0.0.0/0:80", "198.51.100.1", 80, True),
        ("0.0.0.0/0:80", "127.0.0.1", 80, False),
        ("0.0.0.0/0:80", "169.254.169.254", 80, False),
        ("0.0.0.0/0:80", "0.0.0.0", 80, False),
        ("0.0.0.0/0:80", "::ffff:127.0.0.1", 80, False),
        ("[::/0]:80", "::1", 80, False),
        ("*:80", "198.51.100.1", 80, True),
        ("*:80", "198.51.100.1", 81, False),
        ("*:80", "127.0.0.1", 80, False),
        ("127.0.0.1:80", "127.0.0.1", 80, True),
        ("127.0.0.0/8:80", "127.0.0.9", 80, True),
    ],
)
def test_address_is_reached_as_granted(grant, address, port, allowed):
    assert reaches(peers(grant), address, port) is allowed


def test_name_is_reached_on_its_port_only():
    granted = peers("api.example.com:443")
    assert granted.may_reach_name("api.example.com", 443)
    assert not granted.may_reach_name("api.example.com", 80)
    assert not granted.may_reach_name("evil.example.com", 443)
    assert not granted.may_reach_name("api.example.com.evil.org", 443)


def test_address_that_the_host_resolved_is_reached_on_the_names_port():
    granted = peers("api.example.com:443")
    assert not reaches(granted, "198.51.100.1", 443)
    granted.remember("api.example.com", address_of("198.51.100.1"), now=10.0)
    assert reaches(granted, "198.51.100.1", 443, now=11.0)
    assert not reaches(granted, "198.51.100.1", 80, now=11.0)
    assert not reaches(granted, "198.51.100.1", 443, now=10.0 + REMEMBERED_S + 1)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0"]
)
def test_name_does_not_lead_home(address):
    granted = peers("api.example.com:443")
    assert is_special(address_of(address))
    assert not granted.may_name_lead_to("api.example.com", address_of(address), 443)


def test_localhost_leads_home_and_nowhere_else():
    granted = peers("localhost:5432")
    assert granted.may_name_lead_to("localhost", address_of("127.0.0.1"), 5432)
    assert not granted.may_name_lead_to("localhost", address_of("169.254.1.1"), 5432)


def test_what_is_remembered_is_bounded():
    granted = peers("api.example.com:443")
    first = ipaddress.ip_address("198.18.0.0")
    for at in range(MAX_REMEMBERED + 1):
        granted.remember("api.example.com", first + at, now=0.0)
    assert not reaches(granted, str(first), 443)
    assert reaches(granted, str(first + 1), 443)
