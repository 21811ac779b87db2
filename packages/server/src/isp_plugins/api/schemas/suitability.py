"""Which plugins would load on another version of the host."""

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from isp_plugins.api.schemas.base import Output
from isp_plugins.contracts.vocabulary import Desired
from isp_plugins.lifecycle.suitability import Obstacle

EXAMPLE: JsonDict = {
    "against": "2.0.0", "python": None, "present": "1.4.0", "would_all_load": False, "checked": 1,
    "items": [
        {
            "plugin_id": 7, "name": "my_custom_plugin", "version": "1.2.0", "desired": "enabled", "is_installed": True, "would_load": False,
            "reasons": [
                {
                    "kind": "host", "found": "isp-plugins 2.0.0", "expected": "isp-plugins <2, as its manifest requires",
                    "next_step": "isp-plugins upgrade my_custom_plugin SOURCE, with a version that allows it",
                }
            ],
        }
    ],
}  # fmt: skip


class ReasonOut(Output):
    """One thing that keeps a plugin from loading: what is there, what was expected, and the next step."""

    kind: Obstacle
    found: str
    expected: str
    next_step: str


class VerdictOut(Output):
    """Whether one plugin would load."""

    plugin_id: int
    name: str
    version: str
    desired: Desired
    is_installed: bool = Field(description="False: it is code on the plugin path, which has no manifest.")
    would_load: bool
    reasons: list[ReasonOut]


class SuitabilityReportOut(Output):
    """Every plugin that this key may see, those that would not load first."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    against: str
    python: str | None = Field(description="The version of Python that was given; null: it stays.")
    present: str = Field(description="The host's version now.")
    would_all_load: bool
    checked: int
    items: list[VerdictOut]
