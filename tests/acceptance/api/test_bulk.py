"""Bulk operations over HTTP."""

from support.server import assert_problem


def bulk(api, operation, *plugins, **parameters):
    """One bulk operation."""
    body = {
        "operation": operation,
        "plugin_ids": [plugin["id"] for plugin in plugins],
        "parameters": parameters,
    }
    return api.post("/plugins/bulk", json=body)


def test_each_plugin_has_its_own_result(api, server):
    good, bad = server.plugin(), server.plugin("raise RuntimeError('no')")
    result = bulk(api, "enable", good, bad).raise_for_status().json()
    assert result["successful"] == [good["id"]]
    assert result["failed"][0]["plugin_id"] == bad["id"]
    assert "no" in result["failed"][0]["error"]
    assert result["summary"] == {"requested": 2, "successful": 1, "failed": 1}


def test_uninstalled_plugins_are_gone(api, server):
    plugins = [server.plugin(), server.plugin()]
    assert bulk(api, "uninstall", *plugins).json()["summary"]["successful"] == 2
    assert_problem(api.get(f"/plugins/{plugins[0]['id']}"), 404)


def test_plugin_named_twice_is_refused(api, server):
    plugin = server.plugin()
    assert_problem(bulk(api, "enable", plugin, plugin), 422)


def test_unknown_operation_is_refused(api, server):
    assert_problem(bulk(api, "explode", server.plugin()), 422)


def test_key_that_is_limited_to_a_plugin_changes_no_other(server):
    mine, other = server.plugin(), server.plugin()
    with server.client(server.key("admin", plugins=[mine["name"]])) as limited:
        result = bulk(limited, "enable", mine, other).json()
    assert (result["successful"], result["failed"][0]["problem"]) == ([mine["id"]], "plugin-not-allowed")
