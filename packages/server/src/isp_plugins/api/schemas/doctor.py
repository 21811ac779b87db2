"""The doctor's reports, and what it is asked about a hook."""

from pydantic import ConfigDict, Field

from isp_plugins.api.schemas.base import Input, JsonObject, JsonValue, Output, absent, datetime
from isp_plugins.api.schemas.plugins import PluginName
from isp_plugins.lifecycle.doctor.findings import FindingStatus, SubjectKind


class DoctorFindingOut(Output):
    """One check: what was found, what was expected, and the next step."""

    check: str
    status: FindingStatus
    found: str
    expected: str | None
    next_step: str | None
    subject: str | None = Field(description="Of a hook's report: the subscription, as `plugin.method`.")


class DoctorReportOut(Output):
    """Everything that the doctor found; the status is the worst of its findings."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "kind": "plugin",
                    "name": "email_notification",
                    "status": "problem",
                    "checked_at": "2030-01-01T00:00:00Z",
                    "findings": [
                        {
                            "check": "configuration",
                            "status": "problem",
                            "found": "smtp_server: expected a value",
                            "expected": "a value that fits for every required key",
                            "next_step": "isp-plugins config set email_notification smtp_server=VALUE",
                            "subject": None,
                        }
                    ],
                }
            ]
        },
    )

    kind: SubjectKind
    name: str
    status: FindingStatus
    checked_at: datetime
    findings: list[DoctorFindingOut]


class HookDoctorIn(Input):
    """What conditions are evaluated with; without a payload, the catalogue's sample."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"payload": {"id": 7, "name": "Ada", "kind": "home"}, "plugin": "email_notification"}
            ]
        }
    )

    payload: JsonValue = Field(default_factory=absent)
    context: JsonObject | None = Field(default=None, description="Seen by conditions as `context`.")
    plugin: PluginName | None = Field(default=None, description="Only this plugin's subscriptions.")
