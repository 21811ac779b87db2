"""E-mail for an ISP's customers and operators: a welcome mail for each new customer, alerts about plugins."""

from .plugin import EmailNotificationPlugin

__version__ = "1.0.0"
__all__ = ["EmailNotificationPlugin", "__version__"]
