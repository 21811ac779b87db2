"""`EmailNotificationPlugin`: the specification's example, doing its work."""

from collections.abc import Sequence
from typing import Any

from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.health import CheckStatus, HealthReport, report

from .addresses import recipients_of
from .checking import probe
from .messages import build
from .rendering import Texts
from .settings import Settings
from .transport import Connection

HEALTH_LIMIT_S = 4.0
"""A health check answers within this, before the host's own limit (5 s by default) would cut it off without a reason."""
RESERVE_S = 0.2
"""What is left of a call's deadline so that an error can still be told."""


class EmailNotificationPlugin(PluginInterface):
    """Sends a welcome mail to each new customer and alerts to the operators, through an SMTP server."""

    def initialize(self) -> bool:
        """Read the configuration and compile the templates; the mail server is not needed for that."""
        self._use(self.config)
        self.logger.info("Sending mail through %s", self._settings.server.name)
        return True

    def configure(self, config: dict[str, Any]) -> bool:
        """Take a new configuration while running; a bad one raises, and the old one stays in force."""
        self._use(config)
        self.config = config
        return True

    def send_customer_welcome_email(self, customer_data: dict[str, Any]) -> dict[str, Any]:
        """Hook method for customer welcome emails: for `customer_created`."""
        settings, texts = self._settings, self._texts
        recipients = recipients_of(customer_data)
        if not recipients:
            self.logger.warning(
                "Customer %s has no e-mail address, so there is no welcome mail", customer_data.get("id")
            )
            return {"sent": False, "reason": "the customer has no e-mail address"}
        values = {"customer": customer_data, "company": settings.company, "portal_url": settings.portal_url}
        result = self._send(
            recipients,
            subject=texts.render("welcome_subject", **values),
            text=texts.render("welcome_text", **values),
            html=texts.render("welcome_html", **values),
        )
        self.logger.info("Welcome mail %s sent to customer %s", result["message_id"], customer_data.get("id"))
        return result

    def send_operator_alert(self, alert: dict[str, Any]) -> dict[str, Any]:
        """Hook method for operators: for `plugin_health_changed` and `plugin_quarantined`."""
        settings, texts = self._settings, self._texts
        if not settings.alert_addresses:
            return {"sent": False, "reason": "alert_addresses is empty"}
        hook = self.context.hook or ("plugin_health_changed" if "new" in alert else "plugin_quarantined")
        values = {"hook": hook, "alert": alert, "company": settings.company}
        result = self._send(
            settings.alert_addresses,
            subject=texts.render("alert_subject", **values),
            text=texts.render("alert_text", **values),
        )
        self.logger.info("Alert %s about plugin %s sent", result["message_id"], alert.get("plugin"))
        return result

    def health_check(self) -> HealthReport:
        """Connect, encrypt and log in, as a mail would."""
        server = self._settings.server
        return report(*probe(server, seconds=min(server.timeout, HEALTH_LIMIT_S), greeting=self._greeting))

    def test_connection(self) -> dict[str, Any]:
        """Connect, encrypt and log in; nothing is sent."""
        server = self._settings.server
        checks = probe(server, seconds=self._seconds(), greeting=self._greeting)
        problems = [check["message"] for check in checks if check["status"] == CheckStatus.FAIL]
        return {
            "ok": not problems,
            "message": problems[0] if problems else f"{server.name} accepts mail",
            "checks": checks,
        }

    def _use(self, config: dict[str, Any]) -> None:
        """Take a configuration, whole or not at all."""
        settings = Settings.of(config)
        texts = Texts(settings.templates)
        self._settings, self._texts = settings, texts

    def _send(self, recipients: Sequence[str], *, subject: str, text: str, html: str = "") -> dict[str, Any]:
        """Send one message and tell its id, and who was refused where somebody was."""
        message = build(self._settings, recipients, subject=subject, text=text, html=html)
        with Connection(
            self._settings.server, seconds=self._seconds(), greeting=self._greeting
        ) as connection:
            connection.open()
            refused = connection.send(message)
        result: dict[str, Any] = {"sent": True, "message_id": str(message["Message-ID"])}
        if refused:
            self.logger.warning(
                "Mail %s was refused for %d of %d recipients",
                result["message_id"],
                len(refused),
                len(recipients),
            )
            result["refused"] = refused
        return result

    def _seconds(self) -> float:
        """How long this call may talk to the mail server."""
        left = self.context.deadline_left
        own = self._settings.server.timeout
        return own if left is None else max(min(own, left - RESERVE_S), RESERVE_S)

    @property
    def _greeting(self) -> str:
        """The name said in EHLO: the sender's domain, so that no name lookup can hang."""
        return self._settings.from_address.rpartition("@")[2]
