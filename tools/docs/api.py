"""docs/api.md: every operation with its scope, body, answers, and every kind of problem; the OpenAPI document has the details."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from isp_plugins.api.factory import documentation
from isp_plugins.api.openapi import DESCRIPTION, TAGS
from isp_plugins.api.problems import every_kind

PAGE = "docs/api.md"
HEAD = """# HTTP API

This page is generated from the code (`python tools/generate_docs.py api`). A running server shows the same, to try out, at
`/api/v1/docs`, and the whole OpenAPI document at `/api/v1/openapi.json`; both work without internet.
"""


def render() -> str:
    """The whole page."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    document = documentation()
    yield HEAD
    yield DESCRIPTION.strip()
    for tag in TAGS:
        yield f"\n## {tag['name']}\n\n{tag['description']}"
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if operation["tags"] == [tag["name"]]:
                    yield from _operation(document, method, path, operation)
    yield from _problems()


def _operation(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> Iterator[str]:
    """One operation: what it does, what it takes, what it answers."""
    yield f"\n### `{method.upper()} {path}`\n\n{operation['description']}"
    parameters = [each for each in operation.get("parameters", ()) if each["in"] != "path"]
    if parameters:
        yield ""
        yield from (_parameter(each) for each in parameters)
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        model = document["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]
        yield f"\nBody (`{media_type}`), for example:\n\n```json\n{json.dumps(model['examples'][0], indent=2)}\n```"
    answers = [status for status in operation["responses"] if int(status) < 400]
    refusals = [status for status in operation["responses"] if int(status) >= 400]
    yield f"\nAnswers {', '.join(answers)}" + (f"; refuses with {', '.join(refusals)}." if refusals else ".")


def _parameter(parameter: Mapping[str, Any]) -> str:
    kind = "Header" if parameter["in"] == "header" else "Query"
    text = parameter.get("description") or parameter["schema"].get("description", "")
    choices = _choices(parameter["schema"])
    return (
        f"- {kind} `{parameter['name']}`"
        + (f": {text}" if text else "")
        + (f" One of {choices}." if choices else "")
    )


def _choices(schema: Mapping[str, Any]) -> str:
    """The values of an enumeration, where it is one."""
    schemas = documentation()["components"]["schemas"]
    for each in (schema, *schema.get("anyOf", ())):
        found = schemas[each["$ref"].rsplit("/", 1)[1]] if "$ref" in each else each
        if "enum" in found:
            return ", ".join(f"`{value}`" for value in found["enum"])
    return ""


def _problems() -> Iterator[str]:
    yield "\n## Problems\n"
    yield "Every kind of problem document; `{field}` stands for a value. `GET /problems/{slug}` explains one.\n"
    yield "| type | status | detail |\n| --- | --- | --- |"
    for kind in every_kind():
        meaning = kind.meaning.replace("|", "\\|")
        yield f"| `{kind.type}` | {kind.status} | {meaning} |"
