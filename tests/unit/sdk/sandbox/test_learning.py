"""From what a run did to the grants that it needed."""

from isp_plugin_sdk.sandbox.grants import Grants, Peer
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


def test_grants_are_written_as_a_table_that_can_be_read_again():
    import tomllib

    grants = Grants(network=(Peer("a.example", 1),), read=("/srv",), host_calls=("storage",), processes=True)
    assert Grants.of(tomllib.loads(to_toml(grants, ["x"]))["grants"]) == grants
