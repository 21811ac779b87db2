"""The depot: where all nodes of one database find plugins' wheels, and the wheels that no index has, by digest."""

from isp_plugins.packages.depot.depot import Depot, open_depot
from isp_plugins.packages.depot.rows import HELD_S, DepotFileGoneError, hold

__all__ = ["HELD_S", "Depot", "DepotFileGoneError", "hold", "open_depot"]
