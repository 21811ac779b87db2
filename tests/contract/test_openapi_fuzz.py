"""schemathesis over the whole OpenAPI document, against a real server process: every check on, nothing left out.

The admin's key is sent along, and the server holds a plugin (id 1), active and bound to a hook, so that ids that are found lead somewhere.
Examples are limited so that it runs within a minute; hypothesis' own seed changes from run to run.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test

from isp_plugins.api.factory import documentation
from support.server import api_server

EXAMPLES = 6
"""Of each operation and phase; schemathesis adds its own systematic cases to them."""

BEYOND_SCHEMA = {
    "positive_data_acceptance": {"expected-statuses": ["2xx", "401", "403", "404", "409", "412", "422"]}
}
"""Of operations with a body: 422 also where JSON Schema cannot say the rule (integers of 64 bits, no NUL, a CEL expression, a version, a
configuration schema), and 412 for an `If-Match` that is not the plugin's. Of the logs too: a page beyond the newest 10,000 is refused, and
that is a rule about page times size. And of the check against another version of the host, which has to be a version."""

CONFIG = schemathesis.Config.from_dict(
    {
        "operations": [
            {"include-operation-id": operation["operationId"], "checks": BEYOND_SCHEMA}
            for operations in documentation()["paths"].values()
            for operation in operations.values()
            if "requestBody" in operation
            or "412" in operation["responses"]
            or operation["operationId"] in {"list_logs", "check_against_version"}
        ]
    }
)
STREAMS = {"follow_logs", "follow_operation", "follow_events"}
"""Their answers do not end; tests/acceptance has their tests."""
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, operations in documentation()["paths"].items()
    for method, operation in operations.items()
    if operation["operationId"] not in STREAMS
]
schema = schemathesis.openapi.from_dict(documentation(), config=CONFIG)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with an active plugin."""
    with api_server(tmp_path_factory.mktemp("fuzz")) as running:
        plugin = running.plugin(enabled=True)
        running.hook(plugin, "customer_created", "welcome")
        yield running


@pytest.fixture(scope="module")
def key(server):
    """A key of the fuzzer's own, and its id."""
    created = server.admin.post("/keys", json={"name": "fuzzer", "role": "admin"}).json()
    return created["id"], created["token"]


@pytest.fixture(scope="module")
def described():
    """What the document says of each operation."""
    return {found.ok().label: found.ok() for found in schema.get_all_operations()}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_keeps_its_promises(operation, described, server, key):
    """Its cases are made when it is its turn, and not while tests are collected, by every process of the run."""
    check_promises = build_operation_test(
        config=schema.config,
        operation=described[operation],
        test_func=keeps_its_promises,
        given_kwargs={},
        feedback=FeedbackSources(),
    )
    check_promises(server=server, key=key)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def keeps_its_promises(case, server, key):
    key_id, token = key
    if case.operation.definition.raw["operationId"] == "revoke_key" and str(
        case.path_parameters.get("key_id")
    ) == str(key_id):
        case.path_parameters["key_id"] = (
            999_999_999  # a fuzzer that revokes its own key would only see 401 afterwards
        )
    case.call_and_validate(base_url=server.url, headers={"X-API-Key": token}, timeout=60)


def test_nothing_was_unexpected(server):
    assert "Unexpected error" not in server.process.log.read_text()
