"""From what a run did to the grants that it needed."""

import copy

import pytest

from isp_plugin_sdk.sandbox.grants import Grants, Listen, Peer
from isp_plugin_sdk.sandbox.learn import WatchedConfiguration, secret_keys
from isp_plugin_sdk.sandbox.learning import Observed, smallest_grants, to_toml

GIVEN = ("/usr/lib", "/home/ada/plugin", "/tmp")


def learnt(**observed):
    return smallest_grants(Observed(**observed), GIVEN)


def test_what_needs_no_grant_is_left_out():
    grants, left_out = learnt(read={"/usr/lib/x.py", "/home/ada/plugin/a"}, written={"/tmp/x"})
    assert (grants, left_out) == (Grants(), ())


def test_files_are_granted_once():
    grants, _ = learnt(read={"/srv/rates/a", "/srv/rates", "/srv/out"}, written={"/srv/out"})
    assert grants == Grants(read=("/srv/rates",), write=("/srv/out",))


def test_name_is_granted_instead_of_its_addresses():
    grants, _ = learnt(resolved={("API.example.com", 443)}, connected={("192.0.2.1", 443), ("192.0.2.9", 25)})
    assert grants.network == (Peer("192.0.2.9", 25), Peer("api.example.com", 443))


def test_this_machine_is_left_out_and_told():
    grants, left_out = learnt(connected={("127.0.0.1", 8025)}, resolved={("localhost", 80)})
    assert grants.network == ()
    assert left_out == ("127.0.0.1:8025 is this machine itself", "localhost:80 is this machine itself")


def test_many_ports_of_one_address_are_told_together():
    _, left_out = learnt(connected={("127.0.0.1", port) for port in (4001, 4002, 4003, 4004)})
    assert left_out == ("4 ports like 127.0.0.1:4001 are this machine itself",)


def test_grants_are_written_as_a_table_that_can_be_read_again():
    import tomllib

    grants = Grants(network=(Peer("a.example", 1),), read=("/srv",), host_calls=("storage",), processes=True)
    assert Grants.of(tomllib.loads(to_toml(grants, ["x"]))["grants"]) == grants


def test_datagrams_are_granted_by_name_as_connections_are():
    grants, _ = learnt(
        resolved={("snmp.example", 161)},
        sent={("udp", "192.0.2.1", 161), ("udp", "192.0.2.2", 1812), ("icmp", "192.0.2.3", 0)},
    )
    assert grants.network == (
        Peer("192.0.2.3", None, "icmp"),
        Peer("192.0.2.2", 1812, "udp"),
        Peer("snmp.example", 161, "udp"),
    )


def test_port_is_granted_unless_it_was_bound_at_this_machines_own_address():
    grants, left_out = learnt(bound={("udp", "0.0.0.0", 514), ("tcp", "127.0.0.1", 8080)})
    assert grants.listen == (Listen("udp", 514),)
    assert left_out == ("listening on tcp:8080: it was bound at this machine's own address",)


READS = {
    "by key": lambda config: config["a"],
    "get": lambda config: config.get("a"),
    "pop": lambda config: config.pop("a"),
    "all values": lambda config: list(config.values()),
    "all items": lambda config: dict(config.items()),
    "unpacking": lambda config: {**config},
    "a plain copy": dict,
    "a copy": lambda config: config.copy()["a"],
    "a deep copy": lambda config: copy.deepcopy(config)["a"],
}


@pytest.mark.parametrize("how", READS)
def test_secret_that_is_read_is_learnt(how):
    seen = set()
    READS[how](WatchedConfiguration({"a": 1, "b": 2}, frozenset({"a", "absent"}), seen))
    assert seen == {"a"}


def test_secret_that_is_only_looked_for_is_not_learnt():
    seen = set()
    config = WatchedConfiguration({"a": 1}, frozenset({"a", "x"}), seen)
    assert "a" in config
    assert [*config] == ["a"]
    assert config.get("x") is None
    assert seen == set()


def test_keys_with_something_encrypted_in_them_are_secrets():
    schema = {
        "a": {"type": "string", "encrypted": True},
        "b": {"type": "object", "properties": {"c": {"type": "string", "encrypted": True}}},
        "d": {"type": "string"},
    }
    assert secret_keys(schema) == {"a", "b"}
    assert secret_keys(None) == secret_keys({"a": 3}) == frozenset()
