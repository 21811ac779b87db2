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
