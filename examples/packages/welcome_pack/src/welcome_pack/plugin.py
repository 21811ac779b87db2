"""The plugin's class; `plugin.toml` beside it describes it."""

from typing import Any

from app.services.plugin_service import PluginInterface


class WelcomePack(PluginInterface):
    """Says what is packed for a customer, and counts the parcels."""

    def initialize(self) -> bool:
        """Nothing has to be reached, so nothing can fail."""
        return True

    def pack(self, customer: dict[str, Any]) -> dict[str, Any]:
        """The parcel of a new customer."""
        number = (self.context.get("parcels") or 0) + 1
        self.context.set("parcels", number)
        self.logger.info("Parcel %d is for customer %s", number, customer.get("id"))
        return {"parcel": number, "items": [self.config["router"], *self.config["extras"]]}
