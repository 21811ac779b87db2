"""What can go wrong in a plugin's life; each message says what was expected, what came and what to do next."""

from isp_plugins.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from isp_plugins.runtime.errors import PluginFailedError


class PluginNotFoundError(NotFoundError):
    """There is no plugin {plugin}. List the registered ones with GET /api/v1/plugins/."""


class PluginDraftInvalidError(InvalidInputError):
    """The plugin's description cannot be used: {summary}. Mend what is named and send it again."""


class WorkerlessError(NotFoundError):
    """Plugin {name} has no worker: it runs in the host's own process. Plugins that are installed from a package run in a worker; GET /api/v1/plugins/workers lists them."""


class FilterUnknownError(InvalidInputError):
    """Plugins cannot be filtered by {given}. Use {expected}."""


class SortUnknownError(InvalidInputError):
    """Plugins cannot be sorted by {given}. Use one of {expected}, with a leading minus for descending order."""


class PluginNameTakenError(ConflictError):
    """A plugin named {name} is registered already, with id {plugin_id}. Choose another name, or update that plugin."""


class PluginNameFixedError(ConflictError):
    """Plugin {name} cannot be renamed to {given}, because other plugins and keys know it by its name. Register it anew under the other name."""


class WrongStateError(ConflictError):
    """Plugin {name} is {state}; to {operation} it, it must be {expected}. Next: {next_step}."""


class DependenciesUnsatisfiedError(ConflictError):
    """Plugin {name} needs what is not there: {summary}. Provide what is named, then try again."""


class DependencyCycleError(ConflictError):
    """Plugins need each other in a circle: {cycle}. Remove one of these dependencies, or make it optional."""


class PluginStillNeededError(ConflictError):
    """Plugin {name} is needed by {dependants}. Disable those first, or ask for it with cascade=true."""


class VersionStillNeededError(ConflictError):
    """Plugin {name} cannot become version {version}, because enabled plugins require others: {dependants}. Update or disable those first."""


class PluginEnableFailedError(ConflictError):
    """Plugin {name} could not be enabled: {cause} Its log tells more; mend the cause and enable it again."""


class PluginReloadFailedError(ConflictError):
    """Plugin {name} could not be reloaded: {cause} {outcome} Mend the cause and reload it again."""


class PluginUpdateFailedError(ConflictError):
    """Plugin {name} was not changed, because it could not be reloaded with the change: {cause} {outcome} Mend the cause and send the change again."""


class ConfigurationRefusedError(ConflictError):
    """Plugin {name} does not work with the new configuration: {cause} Nothing was saved. {outcome} Send values that it accepts."""


class RequiredKeyMissingError(ConflictError):
    """Plugin {name} is enabled and needs the configuration keys {keys}. Keep them, or disable the plugin first."""


class UnhealthyCandidateError(ConflictError):
    """The new instance of plugin {name} says that it is unhealthy, which the old one is not: {checks}."""


class ProbeUnansweredError(PluginFailedError):
    """It started, but does not answer its health check: {reason}. Look at its log, mend it, then enable it."""


class TestConnectionUnsupportedError(ConflictError):
    """Plugin {name} offers no test_connection. Look at its health instead."""

    __test__ = False  # not a test class, whatever pytest reads into its name


class PluginsClosingError(UnavailableError):
    """The server is shutting down. Send the request again when it is back."""
