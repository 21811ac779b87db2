"""What packages take on a node, and what of it can be pruned."""

from pydantic import Field

from isp_plugins.api.schemas.base import Input, Output, Switch
from isp_plugins.packages.pruning import Kind


class PruneQuery(Input):
    """How it is meant."""

    dry_run: Switch = Field(default=False, description="Only tell what would go.")


class PrunableOut(Output):
    """One thing that goes, and why."""

    kind: Kind
    name: str
    bytes: int
    why: str


class PrunedOut(Output):
    """What goes, or would go with `dry_run`."""

    dry_run: bool
    bytes: int
    items: list[PrunableOut]


class UsageOut(Output):
    """How much lies in one folder of the data directory; `depot`: what nodes share."""

    folder: str
    bytes: int


class UsagesOut(Output):
    """Every folder."""

    bytes: int
    items: list[UsageOut]
