"""`PaymentGatewayPlugin`: the specification's example, doing its work."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

from app.services.plugin_service import PluginInterface
from isp_plugin_sdk.health import CheckStatus, HealthReport, report

from .callbacks import read_body, verified
from .checking import probe
from .client import Gateway
from .collecting import Collector
from .errors import CallbackRefusedError, PaymentInvalidError
from .ledger import Ledger
from .money import DECIMALS, written
from .payloads import charge_of, refund_of
from .payments import Payment, Status
from .redaction import clean
from .refunding import Refunder
from .reporting import Reporter
from .settings import Settings
from .settling import Settler

HEALTH_LIMIT_S = 4.0
"""A health check answers within this, before the host's own limit (5 s by default) would cut it off without a reason."""
RESERVE_S = 0.5
"""What is left of a call's deadline to write down and tell what happened."""


class PaymentGatewayPlugin(PluginInterface):
    """Collects and refunds payments through an HTTP payment API, each of them once."""

    def initialize(self) -> bool:
        """Read the configuration; the gateway is not needed for that."""
        self._settings = settings = Settings.of(self.config)
        self._gateway = gateway = Gateway(settings)
        self._ledger = ledger = Ledger(self.context.aio)
        reporter = Reporter(settings, self.context.aio, self.logger)
        self._collector = Collector(gateway, ledger, reporter, self.logger)
        self._refunder = Refunder(gateway, ledger, reporter)
        self._settler = Settler(gateway, ledger, reporter, self.logger)
        self.logger.info("Collecting payments through %s", settings.name)
        return True

    async def cleanup(self) -> bool:
        """End the connections."""
        await self._gateway.close()
        return True

    async def process_payment(self, payment_data: dict[str, Any]) -> dict[str, Any]:
        """Process payment through gateway: for `payment_requested`, as an action or, durably, as an event."""
        charge = charge_of(
            payment_data, key_prefix=self._settings.key_prefix, event_key=self.context.idempotency_key
        )
        if not self._settings.accepts(charge.currency):
            raise PaymentInvalidError(
                problem=f"currency: {charge.currency} is not among the currencies accepted"
            )
        payment, known = await self._collector.collect(charge, ends=self._ends())
        sum_ = written(payment.amount, payment.currency)
        self.logger.info(
            "Payment %s of %s: %s, %s",
            payment.id,
            sum_,
            payment.status,
            payment.transaction_id or payment.code,
        )
        return _result(payment) | {"replayed": known}

    async def refund_payment(self, refund_data: dict[str, Any]) -> dict[str, Any]:
        """Give a payment back, whole or in part: `{id, refund_id, amount?, currency?, idempotency_key?, transaction_id?}`."""
        request = refund_of(refund_data, key_prefix=self._settings.key_prefix)
        result = await self._refunder.refund(request, ends=self._ends())
        sum_ = written(result["amount"], result["currency"])
        self.logger.info(
            "Refund %s of payment %s, %s: %s", request.refund_id, request.payment_id, sum_, result["status"]
        )
        return result

    async def handle_callback(self, callback: dict[str, Any]) -> dict[str, Any]:
        """Settle what the gateway tells of: for `payment_callback_received`."""
        if callback.get("gateway") != self._settings.gateway:
            return {"handled": False, "reason": "it is another gateway's"}
        try:
            body = await asyncio.to_thread(
                read_body, callback.get("raw_body_ref"), self._settings.callback_folder
            )
            found = verified(
                body,
                callback.get("headers"),
                secrets=self._settings.webhook_secrets,
                now=time.time(),
                tolerance=self._settings.callback_tolerance,
            )
        except CallbackRefusedError as error:
            self.logger.warning("%s (from %s)", error, clean(callback.get("remote_ip")))
            raise
        if await self._ledger.was_handled(found):
            return {"handled": True, "duplicate": True, "event": found.event_id}
        effect = await self._settler.hear(found, ends=self._ends())
        await self._ledger.handled(found)
        self.logger.info("Callback %s (%s): %s", found.event_id, clean(found.type), effect)
        return {"handled": True, "duplicate": False, "event": found.event_id, "effect": effect}

    async def offer_payment_methods(self, value: dict[str, Any]) -> dict[str, Any] | None:
        """Offer this way to pay where its currency is accepted: for `payment_methods`."""
        currency, methods = value.get("currency"), value.get("methods") or []
        settings = self._settings
        offered = any(
            one.get("gateway") == settings.gateway and one.get("id") == settings.method_id for one in methods
        )
        if offered or currency not in DECIMALS or not settings.accepts(currency):
            return None
        method = {
            "id": settings.method_id,
            "name": settings.method_name,
            "gateway": settings.gateway,
            "url": None,
            "fee": None,
        }
        return {**value, "methods": [*methods, method]}

    async def settle_payments(self, tick: dict[str, Any]) -> dict[str, int]:
        """Ask the gateway for payments whose outcome is not known: for `scheduler_hourly`, and by hand."""
        return await self._settler.settle(ends=self._ends())

    async def forget_old(self, tick: dict[str, Any]) -> dict[str, int]:
        """Forget what is old enough: for `scheduler_daily`."""
        return {
            "forgotten": await self._ledger.forget(
                datetime.now(UTC), remember_days=self._settings.remember_days
            )
        }

    async def health_check(self) -> HealthReport:
        """Ask the gateway with the key, and look for payments that stay open."""
        seconds = min(self._settings.timeout, HEALTH_LIMIT_S)
        return report(*await probe(self._settings, self._gateway, self._ledger, seconds=seconds))

    async def test_connection(self) -> dict[str, Any]:
        """Ask the gateway with the key; nothing is charged."""
        checks = await probe(self._settings, self._gateway, self._ledger, seconds=self._settings.timeout)
        problems = [check["message"] for check in checks if check["status"] == CheckStatus.FAIL]
        message = problems[0] if problems else f"{self._settings.name} accepts the key"
        return {"ok": not problems, "message": message, "checks": checks}

    def _ends(self) -> float:
        """When this call must have its answer, in seconds of `time.monotonic`."""
        left = self.context.deadline_left
        own = self._settings.timeout * (self._settings.max_retries + 1)
        return time.monotonic() + (own if left is None else left - RESERVE_S)


def _result(payment: Payment) -> dict[str, Any]:
    """What the caller of a payment gets; pending ones are told later, by `payment_received` or `payment_failed`."""
    result: dict[str, Any] = {
        "success": payment.status is Status.SUCCEEDED,
        "transaction_id": payment.transaction_id,
        "status": str(payment.status),
        "amount": payment.received,
        "currency": payment.currency,
    }
    return result | ({"code": payment.code} if payment.status is Status.FAILED else {})
