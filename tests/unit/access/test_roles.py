"""Roles and scopes."""

import pytest

from isp_plugins.access.roles import ROLES, RoleName, effective_scopes, roles_with
from isp_plugins.access.scopes import SYSTEM_WIDE, Scope


def test_a_caller_only_dispatches() -> None:
    assert ROLES[RoleName.CALLER].scopes == {Scope.HOOKS_DISPATCH}


def test_an_admin_may_do_everything() -> None:
    assert ROLES[RoleName.ADMIN].scopes == set(Scope)


def test_a_viewer_changes_nothing() -> None:
    assert all(scope.value.endswith(":read") for scope in ROLES[RoleName.VIEWER].scopes)


@pytest.mark.parametrize(
    ("less", "more"), [("viewer", "operator"), ("operator", "developer"), ("developer", "admin")]
)
def test_each_role_adds_to_the_one_before(less: str, more: str) -> None:
    assert ROLES[less].scopes < ROLES[more].scopes


@pytest.mark.parametrize(
    "scope",
    [Scope.PLUGINS_MANAGE, Scope.PLUGINS_EXECUTE, Scope.CONFIG_MANAGE, Scope.HOOKS_MANAGE, Scope.KEYS_MANAGE],
)
def test_only_an_admin_manages_and_executes(scope: Scope) -> None:
    assert roles_with(scope) == ["admin"]


def test_a_limited_key_loses_what_concerns_the_whole_system() -> None:
    assert effective_scopes(ROLES["admin"].scopes, limited=True) == set(Scope) - SYSTEM_WIDE


def test_a_scope_of_a_newer_version_is_left_out() -> None:
    assert effective_scopes(["plugins:read", "teleport:use"], limited=False) == {Scope.PLUGINS_READ}
