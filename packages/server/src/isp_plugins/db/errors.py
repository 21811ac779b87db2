"""What can go wrong between the product and its database."""

from isp_plugins.errors import StartupError, UnavailableError


class DatabaseUrlError(StartupError):
    """The database URL cannot be used: {reason}. Expected `sqlite:///path/to/file.db` or `postgresql://user:password@host/name` in ISP_PLUGINS_DATABASE_URL or --database-url."""


class DatabaseUnavailableError(UnavailableError):
    """The {dialect} database does not answer: {cause}. Nothing was changed; see that it runs and can be reached, has room on its disk, and try again."""


class DatabaseForeignError(StartupError):
    """The database holds tables of something else ({tables}), not of the ISP Framework Plugin System; it was not touched. Give an empty database in ISP_PLUGINS_DATABASE_URL."""


class DatabaseNewerError(StartupError):
    """The database has schema {found}, made by a newer version of isp-plugins; this version knows schemas up to {known}. It was not touched: install the newer version again, or restore the backup made before the upgrade."""


class MigrationFailedError(StartupError):
    """The database could not be migrated from schema {found} to {target}: {cause}. Nothing was changed{backup}; mend the cause and start again."""


class MigrationTooEarlyError(StartupError):
    """The database cannot be migrated to schema {target} yet: nodes of an older version live that could not go on with it: {nodes}. Nothing was changed. Stop them (upgrade them to a version between, if there is one, and start them again), then start this one; a node that was killed counts as living until the others have missed it for some seconds."""


class DataDirectoryUnusableError(StartupError):
    """The data directory {path} cannot be used: {cause}. Make it a folder that this user may write, or name another in ISP_PLUGINS_DATA_DIR or --data-dir."""


class DataDirectoryInUseError(StartupError):
    """{path} is in use by another host{holder}: one data directory and its SQLite file have one host. Speak HTTP to the running one (the command line does so by itself), stop it, or run several servers on one PostgreSQL (ISP_PLUGINS_DATABASE_URL) with a data directory each."""
