"""A plugin's own key-value store."""

from isp_plugins.storage.errors import (
    StorageFencedError,
    StorageFullError,
    StorageKeyInvalidError,
    StoragePluginGoneError,
    StorageValueInvalidError,
    StorageValueTooLargeError,
)
from isp_plugins.storage.plugin_storage import MAX_KEY_CHARACTERS, MAX_VALUE_BYTES, QUOTA_BYTES, PluginStorage

__all__ = [
    "MAX_KEY_CHARACTERS",
    "MAX_VALUE_BYTES",
    "QUOTA_BYTES",
    "PluginStorage",
    "StorageFencedError",
    "StorageFullError",
    "StorageKeyInvalidError",
    "StoragePluginGoneError",
    "StorageValueInvalidError",
    "StorageValueTooLargeError",
]
