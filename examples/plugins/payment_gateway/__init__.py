"""Payments for an ISP through an HTTP payment API: charged once, refunded, settled by signed callbacks."""

from .plugin import PaymentGatewayPlugin

__version__ = "1.0.0"
__all__ = ["PaymentGatewayPlugin", "__version__"]
