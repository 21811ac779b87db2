"""Hooks of schedules, notifications, reports, the console and the system itself."""

from isp_plugins.hooks.catalogue.define import Domain

_system = Domain("system")

HOOKS = (
    _system.action(
        "scheduler_hourly",
        key="slot_id",
        deadline_ms=60_000,
        sample={"slot_id": "2030-01-31T12", "planned_at": "2030-01-31T12:00:00Z"},
        uisp="execution period",
        whmcs="PreCronJob, DailyCronJob",
    ),
    _system.action(
        "scheduler_daily",
        key="slot_id",
        deadline_ms=60_000,
        sample={"slot_id": "2030-01-31", "planned_at": "2030-01-31T00:00:00Z"},
        uisp="execution period",
        whmcs="PreCronJob, DailyCronJob",
    ),
    _system.fact(
        "scheduler_job_failed",
        key="job",
        sample={"job": "billing_run", "error": "no tax plugin", "next_run": "2030-02-01T00:00:00Z"},
        whmcs="PostAutomationTask",
    ),
    _system.filter(
        "notification_before_send",
        veto=True,
        mutable=("channel", "template", "recipients", "vars", "attachments"),
        key="id",
        sample={
            "id": 401,
            "channel": "email",
            "template": "welcome",
            "recipients": ["ana@example.com"],
            "vars": {"name": "Ana"},
            "attachments": [
                {"name": "contract.pdf", "content_type": "application/pdf", "bytes_ref": "documents/77.pdf"}
            ],
        },
        whmcs="EmailPreSend, NotificationPreSend",
    ),
    _system.fact(
        "notification_sent",
        key="id",
        sample={
            "id": 401,
            "message_id": "<401@example.com>",
            "channel": "email",
            "provider_id": None,
            "cost": None,
            "currency": None,
        },
        tmf="CommunicationMessageStateChangeEvent",
        uisp="notification",
        whmcs="EmailPreLog",
    ),
    _system.filter(
        "report_data",
        mutable=("rows",),
        deadline_ms=10_000,
        sample={
            "report": "revenue",
            "filters": {"month": "2030-01"},
            "rows": [{"plan": "Fibre 200", "amount": 299000}],
        },
        uisp="menu key Reports",
        whmcs="ReportViewPreOutput",
    ),
    _system.filter(
        "ui_menu",
        mutable=("entries",),
        deadline_ms=500,
        sample={
            "zone": "admin",
            "object": {"type": "customer", "id": 1001},
            "entries": [
                {
                    "label": "Coverage map",
                    "url": "/plugins/map",
                    "icon": None,
                    "order": 50,
                    "plugin": "coverage_map",
                }
            ],
            "user": {"id": 7, "roles": ["noc"], "locale": "pt-PT"},
        },
        uisp="manifest menu, widgets",
        whmcs="AdminAreaPage, ClientAreaPrimaryNavbar",
    ),
    _system.filter(
        "ui_panel",
        mutable=("entries",),
        deadline_ms=500,
        sample={
            "zone": "portal",
            "object": {"type": "customer", "id": 1001},
            "entries": [
                {
                    "label": "Coverage map",
                    "url": "/plugins/map",
                    "icon": None,
                    "order": 50,
                    "plugin": "coverage_map",
                }
            ],
            "user": {"id": 7, "roles": ["noc"], "locale": "pt-PT"},
        },
        uisp="manifest menu, widgets",
        whmcs="AdminAreaPage, ClientAreaPrimaryNavbar",
    ),
    _system.filter(
        "system_health",
        mutable=("checks",),
        sample={"checks": [{"name": "database", "status": "pass", "message": "answers in 2 ms"}]},
    ),
    _system.action(
        "system_backup",
        key="set_id",
        deadline_ms=600_000,
        sample={
            "set_id": "2030-01-31",
            "sections": {"database": {"bytes_ref": "backups/2030-01-31/database"}},
        },
    ),
    _system.fact(
        "system_setting_changed",
        key="key",
        sample={"key": "smtp_password", "old": "********", "new": "********"},
    ),
)
