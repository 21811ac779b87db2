"""The hooks that the host knows by name, one module a domain; `docs/hooks.md` is generated from here.

1. A hook that is not listed is allowed, the ISP's own: it gets an action's spec with `known=False`, any payload, and the defaults.
2. A name is a lower-case letter followed by at most 99 lower-case letters, digits or underscores.
3. Samples validate against their schemas; `tests/contract/test_hook_catalogue.py` compares all with `docs/hook_catalogue.md`.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from isp_plugins.contracts.hooks import HookSpec
from isp_plugins.contracts.vocabulary import HookKind
from isp_plugins.hooks.catalogue import (
    aaa,
    auth,
    billing,
    customer,
    inventory,
    network,
    plugin,
    service,
    system,
    ticket,
    usage,
)
from isp_plugins.hooks.catalogue.define import is_internal
from isp_plugins.hooks.errors import HookNameInvalidError

__all__ = ["CATALOGUE", "HOOK_NAME", "is_internal", "spec_of"]

HOOK_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
CATALOGUE: Mapping[str, HookSpec] = MappingProxyType(
    {
        spec.name: spec
        for domain in (
            customer,
            service,
            billing,
            network,
            aaa,
            ticket,
            usage,
            inventory,
            auth,
            system,
            plugin,
        )
        for spec in domain.HOOKS
    }
)
"""Every known hook by name, in the order of the catalogue."""


def spec_of(name: str) -> HookSpec:
    """The spec of a hook, known or not; `HookNameInvalidError` where it cannot be a hook's name."""
    known = CATALOGUE.get(name)
    return known if known is not None else _own_spec(name)


@lru_cache(maxsize=1024)
def _own_spec(name: str) -> HookSpec:
    """The spec of a hook of the ISP's own; kept, so that a repeated dispatch costs a look-up."""
    if not HOOK_NAME.fullmatch(name):
        raise HookNameInvalidError(name=name[:120])
    return HookSpec(
        name=name,
        kind=HookKind.ACTION,
        domain="own",
        description="A hook of the ISP's own.",
        schema={},
        sample={},
        internal=is_internal(name),
        known=False,
    )
