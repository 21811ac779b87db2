"""What can go wrong with a payment, in the operator's words; no message ever holds the key or a card's number."""

from isp_plugin_sdk import PluginSdkError


class PaymentError(PluginSdkError):
    """The payment could not be handled."""


class SettingsError(PaymentError):
    """The configuration cannot be used: {problem}."""


class PaymentInvalidError(PaymentError):
    """The payload cannot be used: {problem}."""


class CardDataError(PaymentError):
    """The payload holds card data ({where}). Hand over a token of the gateway as token_ref: card numbers must never pass through here."""


class DifferentPaymentError(PaymentError):
    """Payment {payment} was requested before with another {what}, so nothing is charged. A different payment needs an id of its own."""


class OutcomeUnknownError(PaymentError):
    """It is not known whether {what} was done: {problem}. Repeat the request: it goes out with the same idempotency key, so it is done once at most."""


class UnreachableError(PaymentError):
    """The gateway {gateway} cannot be reached, and nothing was done: {problem}. Check endpoint and the network."""


class RefusedError(PaymentError):
    """The gateway {gateway} refuses the request, and nothing was done: {status} {problem}."""


class KeyRefusedError(RefusedError):
    """The gateway {gateway} refuses the API key ({status} {problem}), and nothing was done. Check api_key."""


class DeclinedError(PaymentError):
    """The payment was declined ({code}): {problem}."""


class NotRefundableError(PaymentError):
    """Payment {payment} cannot be refunded: {problem}."""


class CallbackRefusedError(PaymentError):
    """A callback was refused: {problem}."""
