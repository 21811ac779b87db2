"""What can go wrong with a package, in the words of whoever installs it: each names the step to mend."""

from isp_plugins.errors import ConflictError, InvalidInputError, TooLargeError, UnavailableError


class SourceUnusableError(InvalidInputError):
    """The package cannot be fetched from {location}: {problem}."""


class SourceUnreachableError(UnavailableError):
    """The package cannot be fetched from {location} now: {problem}."""


class PackageTooLargeError(TooLargeError):
    """The package {what} is larger than {limit} ({setting}): {got}. Leave out what the plugin does not need, or raise the setting."""


class ArchiveUnsafeError(InvalidInputError):
    """The archive {name!r} is refused, nothing of it was used: {summary}."""


class WheelInvalidError(InvalidInputError):
    """The wheel {name!r} is refused: {summary}. Build it anew with a standard tool such as `python -m build`."""


class PackageShapeError(InvalidInputError):
    """This is no plugin package: {problem}."""


class BuildFailedError(InvalidInputError):
    """The package cannot be built to a wheel: {problem}.

    `log` holds the last lines that the build wrote.
    """


class ManifestInvalidError(InvalidInputError):
    """The manifest {file} cannot be used: {summary}."""


class HostUnsuitableError(ConflictError):
    """The plugin {plugin!r} {version} does not run on this host: {summary}."""


class ResolutionImpossibleError(ConflictError):
    """The dependencies of {plugin!r} cannot be resolved: {reason}."""


class PackageIndexUnreachableError(UnavailableError):
    """The packages that {plugin!r} needs cannot be had now: {reason}."""


class EnvironmentFailedError(UnavailableError):
    """The plugin's environment cannot be built: {reason}."""


class LockOutdatedError(ConflictError):
    """The stored lock was made for {wanted}, and this host runs {present}. Install the plugin again, so that its dependencies are resolved anew."""


class DiskFullError(UnavailableError):
    """There is no space left for the package under {path}: {problem}. Free some space there and try again; what was begun has been removed."""


class PackageToolMissingError(UnavailableError):
    """The program {tool!r} is needed for this and was not found on the server's PATH. Install it (Debian: apt-get install {package}) and try again."""


class DepotUnreachableError(UnavailableError):
    """The depot in {place}, where nodes share their artifacts, cannot be used now: {cause}. Mend that, or name another in ISP_PLUGINS_DEPOT."""


class DepotFileDamagedError(UnavailableError):
    """The file {name!r} in {place} is damaged: expected SHA-256 {digest}, found {found}. Install the plugin again on a node, or restore the file from a backup."""


class ArtifactNowhereError(UnavailableError):
    """{what} with SHA-256 {digest} is neither on this machine nor {where}. Uninstall the plugin with --keep configuration,storage and install it again, or restore a backup."""
