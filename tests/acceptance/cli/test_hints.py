"""What the command line says beside the API's answer: what may be meant, what else happened, what comes next."""

import json

import pytest

from support.commands import run
from support.server import api_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server."""
    with api_server(tmp_path_factory.mktemp("hints")) as running:
        yield running


@pytest.fixture
def cli(server):
    """The command line beside the server's data directory."""
    return lambda *arguments, **environment: run(*arguments, cwd=server.process.folder, **environment)


MEANT = (
    "custmer_created is not in the catalogue (an ISP's own hook is fine); did you mean customer_created?\n"
)


@pytest.mark.parametrize("command", [("hooks", "show"), ("dispatch",)])
def test_misspelt_hook_gets_a_hint_beside_the_answer(cli, command):
    done = cli(*command, "custmer_created")
    assert (done.returncode, done.stderr) == (0, MEANT)


def test_hint_leaves_json_alone(cli):
    assert json.loads(cli("hooks", "show", "custmer_created", "--json").stdout)["known"] is False


def test_binding_to_a_misspelt_hook_gets_a_hint(server, cli):
    name = server.plugin()["name"]
    assert cli("hooks", "add", name, "custmer_created", "welcome").stderr == MEANT


def test_known_hook_gets_no_hint(cli):
    assert cli("hooks", "show", "customer_created").stderr == ""


def test_error_of_a_dispatch_keeps_its_type(server, cli):
    plugin = server.plugin(enabled=True)
    server.hook(plugin, "own_failing", "fail")
    assert "ValueError: no such customer" in cli("dispatch", "own_failing").stdout


def test_revoking_the_key_in_use_asks_first(server, cli):
    made = server.admin.post("/keys", json={"name": "mine", "role": "admin"}).json()
    done = cli("keys", "revoke", str(made["id"]), "--api-key", made["token"])
    assert (done.returncode, "afterwards everything is refused" in done.stderr) == (1, True)
    assert cli("keys", "revoke", str(made["id"]), "--yes", "--api-key", made["token"]).returncode == 0


def test_revoking_another_key_does_not_ask(server, cli):
    made = server.admin.post("/keys", json={"name": "other", "role": "viewer"}).json()
    assert cli("keys", "revoke", str(made["id"])).returncode == 0


def test_page_beyond_the_last_is_told(server, cli):
    server.plugin()
    assert "Page 99 is beyond the last of " in cli("list", "--page", "99").stdout


def test_level_and_type_may_be_lower_case(server, cli):
    server.plugin(plugin_type="BILLING")
    assert "BILLING" in cli("list", "--type", "billing").stdout
    assert cli("logs", "--level", "warning").returncode == 0


def test_cascade_says_what_else_was_disabled(server, cli):
    needed = server.plugin(enabled=True)["name"]
    needing = server.plugin(enabled=True, dependencies=[{"kind": "plugin", "name": needed}])["name"]
    assert f"Disabled with it: {needing}.\n" in cli("disable", needed, "--cascade").stdout


@pytest.mark.parametrize(("schema", "advised"), [({}, False), ({"a": {"type": "string"}}, True)])
def test_registration_advises_configuration_where_there_is_some(server, cli, schema, advised):
    registration = server.registration(config_schema=schema)
    assert ("config set" in cli("register", json.dumps(registration)).stdout) is advised


def test_parameters_that_are_not_json_are_told_grammatically(server, cli):
    done = cli("execute", server.plugin()["name"], "welcome", "{")
    assert (done.returncode, "The parameters are not JSON" in done.stderr) == (2, True)


def test_event_subscription_is_bound_with_its_retries_and_its_beginning(server, cli):
    plugin = server.plugin()
    bounds = ("--retry-min", "2", "--retry-attempts", "7", "--start-from", "beginning")
    done = cli("hooks", "add", plugin["name"], "customer_created", "welcome", "--type", "event", *bounds)
    assert done.returncode == 0, done.stderr
    (hook,) = server.admin.get(f"/plugins/{plugin['id']}/hooks").json()["items"]
    assert hook["retry"] == {"min_s": 2.0, "max_s": 3600.0, "attempts": 7}
    wrong = cli(
        "hooks", "add", plugin["name"], "customer_created", "greet", "--type", "event", "--start-from", "soon"
    )
    assert wrong.returncode != 0
    assert "start_from: expected now, beginning or a time with its zone" in wrong.stderr
