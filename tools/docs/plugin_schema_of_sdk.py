"""The same JSON Schema of `plugin.toml` as package data of the SDK, so that it is there without the documentation."""

import json

from isp_plugin_sdk.manifest import json_schema

PAGE = "packages/sdk/src/isp_plugin_sdk/manifest/plugin.schema.json"


def render() -> str:
    """The page."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False)
