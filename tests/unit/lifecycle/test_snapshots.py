"""A snapshot comes back from its bytes as it was, whatever the values look like."""

from datetime import UTC, datetime

from isp_plugins.lifecycle.snapshots import Snapshot

NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_bytes_moments_and_any_json_survive():
    rows = {
        "plugin_configurations": [
            {"key": "a", "value": None, "ciphertext": b"\x00\xff", "is_encrypted": True, "updated_at": NOW},
            {"key": "b", "value": "x", "ciphertext": None, "is_encrypted": False, "updated_at": NOW},
        ],
        "configuration_versions": [{"version": 1, "entries": {"b": {"value": "x"}}, "created_at": NOW}],
        "plugin_storage": [
            {"key": "n", "value": {"$moment": "no moment", "big": 2**70, "f": 0.1}, "updated_at": NOW},
            {"key": "z", "value": None, "updated_at": NOW},
        ],
        "plugin_hooks": [],
    }
    snapshot = Snapshot.of(Snapshot(rows).to_bytes())
    assert snapshot.rows == rows
    assert snapshot.entries == {"a": {"ciphertext": "AP8="}, "b": {"value": "x"}}


def test_renewed_ciphertexts_are_those_of_values_and_of_every_version():
    rows = {
        "plugin_configurations": [
            {"key": "a", "value": None, "ciphertext": b"old", "is_encrypted": True},
            {"key": "b", "value": {"ciphertext": "x"}, "ciphertext": None, "is_encrypted": False},
        ],
        "configuration_versions": [
            {"version": 1, "entries": {"a": {"ciphertext": "b2xk"}, "b": {"value": {"ciphertext": "x"}}}}
        ],
    }
    snapshot = Snapshot(rows)
    renewed = snapshot.renewed(lambda key, sealed: f"{key}:{sealed.decode()}".encode())
    assert renewed.rows["plugin_configurations"][0]["ciphertext"] == b"a:old"
    assert renewed.rows["plugin_configurations"][1] == rows["plugin_configurations"][1]
    (version,) = renewed.rows["configuration_versions"]
    assert version["entries"] == {"a": {"ciphertext": "YTpvbGQ="}, "b": {"value": {"ciphertext": "x"}}}
    assert snapshot.rows == rows
    assert snapshot.renewed(lambda _key, sealed: sealed) is snapshot


def test_secret_is_found_in_values_and_in_versions_alone():
    clear = {"key": "b", "value": 1, "ciphertext": None, "is_encrypted": False}
    version = {"version": 1, "entries": {"b": {"value": {"ciphertext": "x"}}}}
    without = {"plugin_configurations": [clear], "configuration_versions": [version]}
    assert not Snapshot(without).holds_ciphertext
    secret = {"key": "a", "value": None, "ciphertext": b"x", "is_encrypted": True}
    assert Snapshot(without | {"plugin_configurations": [secret]}).holds_ciphertext
    earlier = {"version": 1, "entries": {"a": {"ciphertext": "b2xk"}}}
    assert Snapshot(without | {"configuration_versions": [earlier]}).holds_ciphertext
