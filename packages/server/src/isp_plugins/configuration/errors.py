"""What can go wrong with a plugin's configuration; no message here ever holds the value of a secret."""

from isp_plugins.errors import ConflictError, InvalidInputError, NotFoundError
from isp_plugins.keyring import SecretUnreadableError


class ConfigSchemaInvalidError(InvalidInputError):
    """The configuration schema cannot be used: {summary}. Mend `config_schema`: give the short form (`{{"key": {{"type": "string"}}}}`) or a JSON Schema 2020-12 that fetches nothing from elsewhere."""


class ConfigurationInvalidError(InvalidInputError):
    """The configuration does not fit the plugin's schema: {summary}. Nothing was changed; mend these values and send them again."""


class ConfigurationIncompleteError(ConflictError):
    """The plugin's configuration is not complete or no longer fits its schema: {summary}. Set these values (`isp-plugins config set`, or PUT /api/v1/plugins/{plugin_id}/config) and try again."""


class ConfigurationConflictError(ConflictError):
    """The configuration was changed by somebody else meanwhile: this change was made on version {expected}, the present one is {found}. Nothing was changed; read the configuration again and repeat the change."""


class ConfigurationVersionNotFoundError(NotFoundError):
    """There is no version {version} of this plugin's configuration. `isp-plugins config history` (GET /api/v1/plugins/<id>/config/versions) lists those there are."""


class ConfigurationValueNotFoundError(NotFoundError):
    """The plugin has no stored configuration value {wanted}. GET /api/v1/plugins/<id>/config lists the stored ones with their ids."""


class ConfiguredPluginGoneError(NotFoundError):
    """The plugin {plugin_id} was deleted while its configuration was being changed; nothing was saved."""


class PluginSecretsUnreadableError(SecretUnreadableError):
    """The plugin's secrets cannot be decrypted ({keys}): {cause}. Put the key that encrypted them back into the key ring (ISP_PLUGINS_SECRET_KEYS, or secrets.key in the data directory), or set these values anew."""
