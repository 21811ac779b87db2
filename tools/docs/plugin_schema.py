"""docs/plugin.schema.json: the JSON Schema of `plugin.toml`, for editors."""

import json

from isp_plugin_sdk.manifest import json_schema

PAGE = "docs/plugin.schema.json"


def render() -> str:
    """The page."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False)
