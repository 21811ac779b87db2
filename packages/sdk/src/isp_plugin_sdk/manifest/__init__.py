"""A plugin's own description, `plugin.toml`: read, checked, and its JSON Schema."""

from isp_plugin_sdk.manifest.reading import (
    FILE_NAME,
    MAX_BYTES,
    ManifestMistake,
    document_mistakes,
    json_schema,
    mistakes_in,
    read,
    with_lines,
)
from isp_plugin_sdk.manifest.values import (
    FileGrants,
    Grants,
    Limits,
    Manifest,
    PluginNeed,
    Requires,
    Schedule,
)

__all__ = [
    "FILE_NAME",
    "MAX_BYTES",
    "FileGrants",
    "Grants",
    "Limits",
    "Manifest",
    "ManifestMistake",
    "PluginNeed",
    "Requires",
    "Schedule",
    "document_mistakes",
    "json_schema",
    "mistakes_in",
    "read",
    "with_lines",
]
