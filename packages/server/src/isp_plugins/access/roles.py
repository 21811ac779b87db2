"""The built-in roles: named sets of scopes, each but `caller` with all of the one before it; the migrations seed them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from isp_plugins.access.scopes import SYSTEM_WIDE, Scope


class RoleName(StrEnum):
    """The built-in roles' names."""

    CALLER = "caller"
    """The ISP's own software."""
    VIEWER = "viewer"
    """Somebody who looks."""
    OPERATOR = "operator"
    """Somebody on duty."""
    DEVELOPER = "developer"
    """A plugin author."""
    ADMIN = "admin"
    """Whoever runs the system."""


@dataclass(frozen=True, slots=True)
class BuiltInRole:
    """One built-in role."""

    name: RoleName
    scopes: frozenset[Scope]
    description: str


_READ = {scope for scope in Scope if scope.value.endswith(":read")}
_OPERATE = _READ | {Scope.HEALTH_CHECK, Scope.HOOKS_DISPATCH, Scope.DOCTOR_RUN, Scope.EVENTS_RETRY}
_DEVELOP = _OPERATE | {Scope.TEMPLATES_MANAGE, Scope.PROFILING_RUN}


def _built_in() -> Iterable[BuiltInRole]:
    yield BuiltInRole(
        RoleName.CALLER,
        frozenset({Scope.HOOKS_DISPATCH}),
        "Dispatches hooks and nothing else: the ISP's own software.",
    )
    yield BuiltInRole(RoleName.VIEWER, frozenset(_READ), "Reads everything; secrets stay masked.")
    yield BuiltInRole(
        RoleName.OPERATOR,
        frozenset(_OPERATE),
        "Also probes health, dispatches hooks, runs the doctor and retries events.",
    )
    yield BuiltInRole(RoleName.DEVELOPER, frozenset(_DEVELOP), "Also manages templates and profiles plugins.")
    yield BuiltInRole(
        RoleName.ADMIN,
        frozenset(Scope),
        "Everything: manages plugins, configuration, hooks, keys and secrets, and executes methods.",
    )


ROLES: Mapping[str, BuiltInRole] = MappingProxyType({role.name.value: role for role in _built_in()})
"""The built-in roles by name, from the least to the most powerful."""


def effective_scopes(scopes: Iterable[str], *, limited: bool) -> frozenset[Scope]:
    """What a key may do: its role's scopes, without the system-wide ones if it is limited; scopes of a newer version are left out."""
    known = {scope for scope in Scope if scope.value in set(scopes)}
    return frozenset(known - SYSTEM_WIDE if limited else known)


def roles_with(scope: Scope) -> list[str]:
    """The built-in roles that have a scope, the least powerful first."""
    return [name for name, role in ROLES.items() if scope in role.scopes]
