"""What can go wrong between nodes of one database."""

from isp_plugins.errors import StartupError


class NodeNameTakenError(StartupError):
    """A node named {node} lives already on this database (version {version}, {address}, seen {seen} s ago): two cannot share a name. Give this one another in ISP_PLUGINS_NODE or --node, or stop the other first."""


class SchemaLeftBehindError(StartupError):
    """The database was migrated to schema {found} while this node was starting, and this version (schemas up to {known}) cannot use it. Install the newer version here, too."""
