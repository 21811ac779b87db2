"""The check that really checks: asks the gateway with the key, looks at what stays open, and at what callbacks need."""

import os
import time

from isp_plugin_sdk.health import Check, failed, passed, warned

from .client import Gateway
from .errors import KeyRefusedError, PaymentError
from .ledger import Ledger
from .settings import Settings

OPEN_TOO_LONG_S = 3 * 3600
"""Open payments are asked for each hour: one older than this needs somebody to look."""


async def probe(settings: Settings, gateway: Gateway, ledger: Ledger, *, seconds: float) -> list[Check]:
    """One check a concern; never raises for what the gateway does."""
    checks: list[Check] = []
    try:
        await gateway.get("/v1/payment_intents", {"limit": 1}, seconds=seconds, retry=False)
        checks += [passed("connection", f"{settings.name} answers"), passed("key", "the API key is accepted")]
    except KeyRefusedError as error:
        checks += [passed("connection", f"{settings.name} answers"), failed("key", str(error))]
    except PaymentError as error:
        checks.append(failed("connection", str(error)))
    return [*checks, _callbacks(settings), await _payments(ledger)]


def _callbacks(settings: Settings) -> Check:
    """Whether callbacks can be verified and read."""
    folder = settings.callback_folder
    if not settings.webhook_secrets:
        return passed(
            "callbacks",
            "webhook_secret is not set: callbacks are refused, pending payments are asked for each hour",
        )
    if folder is not None and not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
        return warned("callbacks", f"callback_folder {folder} cannot be read: its callbacks are refused")
    return passed("callbacks", "signatures can be verified")


async def _payments(ledger: Ledger) -> Check:
    """Whether payments stay open for long."""
    now = time.time()
    waiting = await ledger.open_payments()
    late = [str(payment.id) for payment in waiting if now - payment.at > OPEN_TOO_LONG_S]
    if late:
        message = (
            f"{len(late)} payments are open for more than {OPEN_TOO_LONG_S // 3600} h: {', '.join(late[:5])}"
        )
        return warned("payments", f"{message}. Run settle_payments, then look at the log and at the gateway")
    return passed("payments", f"{len(waiting)} open")
