"""A plugin's configuration: its schema, its values, which of them are secret, and every version there was."""

from isp_plugins.configuration.errors import (
    ConfigSchemaInvalidError,
    ConfigurationConflictError,
    ConfigurationIncompleteError,
    ConfigurationInvalidError,
    ConfigurationValueNotFoundError,
    ConfigurationVersionNotFoundError,
    ConfiguredPluginGoneError,
    PluginSecretsUnreadableError,
)
from isp_plugins.configuration.schema import ConfigSchema
from isp_plugins.configuration.service import ConfigurationService
from isp_plugins.configuration.store import ciphertext_exists
from isp_plugins.configuration.values import (
    MASK,
    Candidate,
    ConfigChange,
    ConfigEntry,
    ConfigVersionView,
    SetValue,
    Source,
    StoredValue,
)

__all__ = [
    "MASK",
    "Candidate",
    "ConfigChange",
    "ConfigEntry",
    "ConfigSchema",
    "ConfigSchemaInvalidError",
    "ConfigVersionView",
    "ConfigurationConflictError",
    "ConfigurationIncompleteError",
    "ConfigurationInvalidError",
    "ConfigurationService",
    "ConfigurationValueNotFoundError",
    "ConfigurationVersionNotFoundError",
    "ConfiguredPluginGoneError",
    "PluginSecretsUnreadableError",
    "SetValue",
    "Source",
    "StoredValue",
    "ciphertext_exists",
]
