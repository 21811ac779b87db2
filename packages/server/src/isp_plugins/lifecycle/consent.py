"""An operator's consent to what a plugin asks for: decided over grants. Pure but for looking for symbolic links.

1. A plugin that asks for nothing needs no consent; one that asks for more than it has waits for it, and the refusal shows each line.
2. What can never be given (a path into the data directory, by way of a link, ...) is refused whatever is accepted.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isp_plugin_sdk.sandbox.errors import GrantsInvalidError
from isp_plugin_sdk.sandbox.granting import policy_of
from isp_plugin_sdk.sandbox.grants import Grants
from isp_plugins.contracts.grants import grants_difference
from isp_plugins.errors import ConflictError, InvalidInputError


class GrantsNotAcceptedError(ConflictError):
    """{name} asks for what must be accepted first: {asks}. If it may have that, send the same with accept_grants=true (isp-plugins install --accept-grants)."""


class GrantsImpossibleError(InvalidInputError):
    """{name} asks for what no plugin can have: {summary}. Its manifest must ask for less."""


def grantable(name: str, manifest: Mapping[str, Any], data_dir: Path) -> Grants:
    """The grants of a manifest, if they can be given at all; `GrantsImpossibleError`."""
    try:
        grants = Grants.of_manifest(manifest)
        policy_of(grants, data_dir=data_dir, own_folder=data_dir / "workers")
    except GrantsInvalidError as error:
        raise GrantsImpossibleError(
            name=name, summary=error.fields["summary"], mistakes=error.mistakes
        ) from error
    return grants


def check(name: str, old: Grants, new: Grants, *, accepted: bool) -> None:
    """`GrantsNotAcceptedError` where the new grants are more than the old ones, and nobody accepted that."""
    difference = grants_difference(old, new)
    if difference.needs_consent and not accepted:
        raise GrantsNotAcceptedError(
            name=name,
            asks="; ".join(str(line) for line in difference.more),
            mistakes=[{"path": f"grants.{line.grant}", "message": str(line)} for line in difference.more],
        )
