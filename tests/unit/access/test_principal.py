"""What a caller may do."""

import pytest

from isp_plugins.access import HookNotAllowedError, PluginNotAllowedError, Principal, Scope, ScopeMissingError
from isp_plugins.actors import LOCAL, Actor, ActorType

ADA = Actor(ActorType.API_KEY, "7", "ada")


def principal(
    *scopes: Scope, plugins: frozenset[str] | None = None, hooks: frozenset[str] | None = None
) -> Principal:
    return Principal(ADA, "operator", frozenset(scopes), plugins, hooks)


def assert_allowed(caller: Principal, scope: Scope, *, plugin: str, hook: str) -> None:
    """The caller has the scope, and nothing is refused."""
    assert scope in caller.scopes
    caller.require(scope, plugin=plugin, hook=hook)


def test_a_scope_that_is_there_is_enough() -> None:
    assert_allowed(principal(Scope.PLUGINS_READ), Scope.PLUGINS_READ, plugin="any", hook="any")


def test_a_missing_scope_is_refused_with_what_there_is_and_who_has_it() -> None:
    with pytest.raises(
        ScopeMissingError,
        match=r"needs the scope keys:manage; 'ada' .*operator.* has plugins:read\. .*role admin",
    ):
        principal(Scope.PLUGINS_READ).require(Scope.KEYS_MANAGE)


def test_a_plugin_beyond_the_limit_is_refused() -> None:
    with pytest.raises(PluginNotAllowedError, match=r"limited to the plugins a, b; this is about c"):
        principal(Scope.PLUGINS_READ, plugins=frozenset("ba")).require(Scope.PLUGINS_READ, plugin="c")


def test_a_hook_beyond_the_limit_is_refused() -> None:
    with pytest.raises(HookNotAllowedError, match=r"limited to the hooks a; this is about c"):
        principal(Scope.HOOKS_DISPATCH, hooks=frozenset("a")).require(Scope.HOOKS_DISPATCH, hook="c")


def test_within_its_limits_a_key_works() -> None:
    limited = principal(Scope.HOOKS_DISPATCH, plugins=frozenset("a"), hooks=frozenset("b"))
    assert_allowed(limited, Scope.HOOKS_DISPATCH, plugin="a", hook="b")


def test_whoever_holds_the_data_directory_may_do_everything() -> None:
    for scope in Scope:
        assert_allowed(Principal.unlimited(LOCAL), scope, plugin="p", hook="h")
