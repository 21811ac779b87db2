"""A caller that proved who it is, and what it may do."""

from collections.abc import Sequence
from dataclasses import dataclass

from isp_plugins.access.errors import HookNotAllowedError, PluginNotAllowedError, ScopeMissingError
from isp_plugins.access.roles import RoleName, roles_with
from isp_plugins.access.scopes import Scope
from isp_plugins.actors import Actor


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts, with the scopes in force; `plugins` and `hooks` are the names it is limited to, None: all."""

    actor: Actor
    role: str
    scopes: frozenset[Scope]
    plugins: frozenset[str] | None = None
    hooks: frozenset[str] | None = None

    @classmethod
    def unlimited(cls, actor: Actor) -> "Principal":
        """Everything allowed: for whoever holds the data directory, or embeds the system."""
        return cls(actor, RoleName.ADMIN.value, frozenset(Scope))

    def require(self, scope: Scope, *, plugin: str | None = None, hook: str | None = None) -> None:
        """Return if this is allowed; else `ScopeMissingError`, `PluginNotAllowedError` or `HookNotAllowedError`.

        Whoever acts on one plugin or hook names it here, also one that is only about to be registered.
        """
        if scope not in self.scopes:
            raise self._scope_missing(scope)
        if plugin is not None and not self.allows_plugin(plugin):
            raise PluginNotAllowedError(name=self.actor.name, allowed=_listed(self.plugins), plugin=plugin)
        if hook is not None and not self.allows_hook(hook):
            raise HookNotAllowedError(name=self.actor.name, allowed=_listed(self.hooks), hook=hook)

    def allows_plugin(self, name: str) -> bool:
        """Whether a plugin is within the limits; lists leave out the others."""
        return self.plugins is None or name in self.plugins

    def allows_hook(self, name: str) -> bool:
        """Whether a hook is within the limits; lists leave out the others."""
        return self.hooks is None or name in self.hooks

    def _scope_missing(self, scope: Scope) -> ScopeMissingError:
        limits = (
            ", limited to named plugins or hooks"
            if self.plugins is not None or self.hooks is not None
            else ""
        )
        return ScopeMissingError(
            scope=scope.value,
            name=self.actor.name,
            role=self.role,
            limits=limits,
            scopes=_listed(frozenset(each.value for each in self.scopes)),
            roles=_alternatives(roles_with(scope)),
        )


def _alternatives(names: Sequence[str]) -> str:
    """`a, b or c`."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _listed(names: frozenset[str] | None) -> str:
    return ", ".join(sorted(names or ())) or "(none)"
