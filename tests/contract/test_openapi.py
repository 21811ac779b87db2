"""What the API promises about itself: every route has its scope, its problems, its examples; the specification's paths are there."""

import re
from pathlib import Path

import pytest

from isp_plugins.access import Scope
from isp_plugins.api.factory import documentation
from isp_plugins.api.gate import ANY_KEY, SCOPE_KEY

SPECIFICATION = Path(__file__).parents[2] / "docs" / "specification.md"
LATER = {"/plugins/registry", "/plugins/bulk"}
"""Paths of the specification that later issues bring."""
OTHER_MEDIA = {
    "/metrics": "text/plain",
    "/api/v1/plugins/logs/stream": "text/event-stream",
    "/api/v1/operations/{operation_id}/events": "text/event-stream",
    "/api/v1/events/stream": "text/event-stream",
}
"""What answers something else than JSON."""
PUBLIC = {"/healthz", "/readyz", "/problems", "/problems/{slug}"}
ARCHIVE = "application/zip"
"""What an operation may answer beside JSON, where it is asked to."""
OPERATIONS = [
    pytest.param(path, method, operation, id=operation["operationId"])
    for path, operations in documentation()["paths"].items()
    for method, operation in operations.items()
]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_operation_declares_a_scope_or_is_public(path, method, operation):
    if path in PUBLIC:
        assert "security" not in operation
        return
    assert operation[SCOPE_KEY] in {ANY_KEY, *Scope}
    assert operation["security"] == [{"ApiKey": []}, {"Bearer": []}]
    assert "scope" in operation["description"] or "any role" in operation["description"]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_operation_is_described_with_answers_and_problems(path, method, operation):
    assert operation["description"]
    assert operation["tags"]
    for status, response in operation["responses"].items():
        fine = OTHER_MEDIA.get(path, "application/json")
        expected = "application/problem+json" if int(status) >= 400 else fine
        assert status == "204" or [each for each in response["content"] if each != ARCHIVE] == [expected]
        assert "X-Request-ID" in response["headers"]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_body_has_an_example_and_refuses_unknown_fields(path, method, operation):
    if "requestBody" not in operation:
        return
    for content in operation["requestBody"]["content"].values():
        model = documentation()["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]
        assert model["examples"]
        assert model["additionalProperties"] is (path == "/api/v1/events")


def test_changing_operations_need_a_managing_scope():
    for path, operations in documentation()["paths"].items():
        for method, operation in operations.items():
            if method != "get" and path not in PUBLIC:
                assert not operation[SCOPE_KEY].endswith(":read") or path.endswith("/audit/verify"), path


def test_paths_of_the_specification_are_there():
    promised = set(re.findall(r"`(GET|POST|PUT|DELETE) /api/v1(/\S+)`", SPECIFICATION.read_text()))
    found = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, item in documentation()["paths"].items()
        for method in item
    }
    assert {(method, path) for method, path in promised if path not in LATER} <= found


def test_every_answer_and_body_is_a_named_schema_or_has_a_type():
    for path, operations in documentation()["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                for content in response.get("content", {}).values():
                    assert content["schema"], (path, status)
