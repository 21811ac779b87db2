"""What can go wrong in a plugin's life; each message says what was expected, what came and what to do next."""

from isp_plugins.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from isp_plugins.runtime.errors import PluginFailedError


class PluginNotFoundError(NotFoundError):
    """There is no plugin {plugin}. `isp-plugins list` (GET /api/v1/plugins/) shows the registered ones."""


class PluginDraftInvalidError(InvalidInputError):
    """The plugin's description cannot be used: {summary}. Mend what is named and send it again."""


class WorkerlessError(NotFoundError):
    """Plugin {name} has no worker: it runs in the host's own process. Plugins that are installed from a package run in a worker; `isp-plugins workers` (GET /api/v1/plugins/workers) lists them."""


class FilterUnknownError(InvalidInputError):
    """Plugins cannot be filtered by {given}. Use {expected}."""


class SortUnknownError(InvalidInputError):
    """Plugins cannot be sorted by {given}. Use one of {expected}, with a leading minus for descending order."""


class PluginNameTakenError(ConflictError):
    """A plugin named {name} is registered already, with id {plugin_id}. Choose another name, or update that plugin."""


class PluginNameFixedError(ConflictError):
    """Plugin {name} cannot be renamed to {given}, because other plugins and keys know it by its name. Register it anew under the other name."""


class PluginChangedElsewhereError(ConflictError):
    """Plugin {name} was changed by another node at the same time: {what}. Nothing of this request was done. Look at the plugin with GET /api/v1/plugins/{plugin_id}, and send the request again if it is still what you want."""


class WrongStateError(ConflictError):
    """Plugin {name} is {state}; to {operation} it, it must be {expected}. Next: {next_step}."""


class DependenciesUnsatisfiedError(ConflictError):
    """Plugin {name} needs what is not there: {summary}. Provide what is named, then try again."""


class DependencyCycleError(ConflictError):
    """Plugins need each other in a circle: {cycle}. Remove one of these dependencies, or make it optional."""


class PluginElsewhereError(ConflictError):
    """Plugin {name} is a singleton: it runs on one node at a time, now on {holder}, not on {here}. Send the request there; isp-plugins nodes {name} shows it on every node."""


class PluginStillNeededError(ConflictError):
    """Plugin {name} is needed by {dependants}. Disable those first, or ask for it with cascade=true."""


class VersionStillNeededError(ConflictError):
    """Plugin {name} cannot become version {version}, because enabled plugins require others: {dependants}. Update or disable those first."""


class PeerUnfitError(ConflictError):
    """Plugin {name} was not changed: {why}. That came about while the request was under way, here or on another node, and nothing of the request was done. {next_step}, then send it again."""


class PluginEnableFailedError(ConflictError):
    """Plugin {name} could not be enabled: {cause} Mend the cause and enable it again; isp-plugins logs --plugin {name} --tracebacks tells more."""


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


class RegistryAbsentError(InvalidInputError):
    """There is no registry to install {location!r} from: this server knows none yet. Use source_type upload, git or local."""


class LocalSourceRefusedError(ForbiddenError):
    """The folder {location!r} may not be installed from over the API. Allowed are folders under: {roots} (setting ISP_PLUGINS_LOCAL_SOURCES). Or upload it: isp-plugins install FOLDER packs and sends it."""


class LocalSourceMissingError(InvalidInputError):
    """There is no folder {location!r} on the server. Name an existing one, as an absolute path of the server's machine."""


class DigestMismatchError(InvalidInputError):
    """The package has the SHA-256 {found}, but {expected} was expected: it is not the file that you meant. Nothing of it was used; get it anew from its origin."""


class PackageNameMismatchError(ConflictError):
    """The package holds plugin {found}, but {expected} was expected. Nothing was installed; name the right package, or leave the name out."""


class PackageVersionMismatchError(ConflictError):
    """The package holds version {found} of plugin {name}, but {expected} was expected. Nothing was installed; name the right package, or leave the version out."""


class PluginInstalledError(ConflictError):
    """Plugin {name} is here already: version {version}, with id {plugin_id}. Uninstall it first ('isp-plugins uninstall {name} --keep configuration,storage' keeps what it knows), then install this one."""


class InstallationUnderWayError(ConflictError):
    """Plugin {name} is being installed already, by operation {operation}. Wait for that one, or cancel it."""


class InstallationVetoedError(ConflictError):
    """Plugin {name} may not be installed: {reason}."""


class ConfigurationIncompleteForEnableError(ConflictError):
    """Plugin {name} cannot be enabled at once, because its configuration is not complete: {summary}. Send what is missing with the installation, or install it without enabling it."""


class KeptPluginNotFoundError(NotFoundError):
    """Nothing is kept of a plugin named {name}. `isp-plugins kept list` (GET /api/v1/plugins/kept) shows what is."""


class InstallationMissingError(PluginFailedError):
    """What plugin {name} needs is not on this machine and could not be brought here: {cause} An enabled plugin is tried again by itself."""


class PackagedFieldError(ConflictError):
    """Plugin {name} was installed from a package, and {fields} follow from it. Change the package and install that; what the server alone decides (log_level, display_name, ...) can be changed here."""


class NotInstalledError(ConflictError):
    """Plugin {name} was not installed from a package, so it has no releases. Change its code and reload it, or uninstall it and install a package."""


class SameVersionError(ConflictError):
    """Plugin {name} is version {version} already. Build the package with another version; to load the same code anew, reload the plugin."""


class LowerVersionError(ConflictError):
    """The package holds version {found} of plugin {name}, which is lower than the installed {version}. Ask for it with allow_downgrade=true (isp-plugins upgrade --downgrade), or roll back to a kept version."""


class UpgradeFailedError(ConflictError):
    """Plugin {name} did not become version {version}: {cause} {outcome} Mend the cause and upgrade it again."""


class MigratedConfigurationInvalidError(ConflictError):
    """The configuration of plugin {name}, migrated to version {version}, does not fit: {summary}. Nothing was changed; send the values that are missing or wrong with the upgrade, or mend the plugin's migrate."""


class RollbackFailedError(ConflictError):
    """Plugin {name} did not return to version {version}: {cause} {outcome} isp-plugins logs --plugin {name} --tracebacks tells more."""


class ReleaseNotKeptError(NotFoundError):
    """{wanted} of plugin {name} is not kept. Kept are: {kept}. Name one of them, or install the version that you want with an upgrade."""


class TargetVersionInvalidError(InvalidInputError):
    """{what} must be one like {example}, and not {given}. Give the number alone, without a name or a comparison."""


class HostOutgrownError(PluginFailedError):
    """Plugin {name} {version} requires isp-plugins {wanted}, and this host is {present}. Upgrade the plugin to a version that allows this host (isp-plugins upgrade), or go back to a host that it allows."""
