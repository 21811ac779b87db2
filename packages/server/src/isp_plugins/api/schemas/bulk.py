"""One operation on many plugins, and each one's result."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from isp_plugins.api.schemas.base import LENIENT, Input, JsonObject, Output
from isp_plugins.lifecycle.bulk import BulkOperation

MAX_PLUGINS = 1000
PluginId = Annotated[int, Field(ge=0, le=999_999_999)]


def _distinct(ids: list[int]) -> list[int]:
    """Refuse a plugin that is named twice."""
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise ValueError(f"expected each plugin once, got {', '.join(map(str, twice))} more than once")
    return ids


class BulkIn(Input):
    """What to do, with which plugins."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"operation": "enable", "plugin_ids": [1, 2]}]})

    operation: Annotated[BulkOperation, LENIENT]
    plugin_ids: Annotated[
        list[PluginId],
        Field(min_length=1, max_length=MAX_PLUGINS, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_distinct),
    ]
    parameters: JsonObject = Field(
        default_factory=dict,
        description="For `update` the fields to change; for `disable` and `uninstall` at most `cascade`.",
    )


class BulkFailureOut(Output):
    """Why one plugin's operation was refused or failed."""

    plugin_id: int
    error: str
    problem: str = Field(description="The stable slug of the error; `/problems/{slug}` explains it.")


class BulkSummaryOut(Output):
    """How many."""

    requested: int
    successful: int
    failed: int


class BulkOut(Output):
    """What became of each plugin, in the order in which they were named."""

    successful: list[int]
    failed: list[BulkFailureOut]
    summary: BulkSummaryOut
