"""Payloads of the auth and user hooks; in `user_*` the user's own id is `id`, in `auth_*` it is `user_id`."""

from typing import Any, TypedDict

from isp_plugin_sdk.payloads.common import Change, Id, Payload


class Identity(TypedDict, total=False):
    """Who somebody proved to be."""

    user_id: Id | None
    subject: str
    login: str
    email: str | None
    name: str | None


class AuthAuthenticate(Payload, total=False):
    """Somebody wants to log in; a filter that knows the realm sets `identity`, any other passes."""

    realm: str
    credentials_ref: str
    identity: Identity | None


class AuthClaimsToRoles(Payload, total=False):
    """An identity's claims are about to become roles; a filter may change the roles."""

    identity: Identity
    claims: dict[str, Any]
    roles: list[str]


class AuthLoginSucceeded(Payload, total=False):
    """Somebody logged in."""

    user_id: Id
    realm: str
    ip: str | None
    mfa: bool


class AuthLoginFailed(Payload, total=False):
    """Somebody failed to log in, for the `count`th time in a row."""

    login: str
    realm: str
    ip: str | None
    count: int


class AuthLogout(Payload, total=False):
    """Somebody logged out."""

    user_id: Id


class AuthPasswordChanged(Payload, total=False):
    """A password was changed, `by` its owner or somebody else."""

    user_id: Id
    by: str


class UserCreated(Payload, total=False):
    """A user of the ISP's own system was created."""

    id: Id
    login: str
    roles: list[str]


class UserRoleChanged(Payload, total=False):
    """A user's roles changed: `roles` holds the lists `old` and `new`."""

    id: Id
    roles: Change


HOOKS: dict[str, type] = {
    "auth_authenticate": AuthAuthenticate,
    "auth_claims_to_roles": AuthClaimsToRoles,
    "auth_login_succeeded": AuthLoginSucceeded,
    "auth_login_failed": AuthLoginFailed,
    "auth_logout": AuthLogout,
    "auth_password_changed": AuthPasswordChanged,
    "user_created": UserCreated,
    "user_role_changed": UserRoleChanged,
}
