"""Hooks of logins and users."""

from isp_plugins.hooks.catalogue.define import Domain

_auth = Domain("auth")

HOOKS = (
    _auth.filter(
        "auth_authenticate",
        mutable=("identity",),
        fail_closed=True,  # a second factor that is broken must not be skipped
        sample={"realm": "staff", "credentials_ref": "credentials/5", "identity": None},
        whmcs="AuthAdmin, ClientLoginShare",
    ),
    _auth.filter(
        "auth_claims_to_roles",
        mutable=("roles",),
        fail_closed=True,  # a role that a broken plugin would have taken away must not be given
        deadline_ms=1_000,
        sample={
            "identity": {
                "user_id": 7,
                "subject": "maria@idp",
                "login": "maria",
                "email": "maria@example.com",
                "name": "Maria",
            },
            "claims": {"groups": ["noc"]},
            "roles": ["viewer"],
        },
    ),
    _auth.fact(
        "auth_login_succeeded",
        key="user_id",
        sample={"user_id": 7, "realm": "staff", "ip": "198.51.100.20", "mfa": True},
        tmf="(nautobot.users.user.login)",
        whmcs="UserLogin, AdminLogin",
    ),
    _auth.fact(
        "auth_login_failed",
        key="login",
        sample={"login": "maria", "realm": "staff", "ip": "198.51.100.20", "count": 2},
        whmcs="(FOSSB onEventAdminLoginFailed)",
    ),
    _auth.fact(
        "auth_logout",
        key="user_id",
        sample={"user_id": 7},
        whmcs="UserLogout",
    ),
    _auth.fact(
        "auth_password_changed",
        key="user_id",
        sample={"user_id": 7, "by": "maria"},
        tmf="DigitalIdentityAttributeValueChangeEvent (720)",
        uisp="user.reset_password",
        whmcs="UserChangePassword",
    ),
    _auth.fact(
        "user_created",
        key="id",
        sample={"id": 7, "login": "maria", "roles": ["noc"]},
        tmf="PartyRoleStateChangeEvent",
        whmcs="UserAdd, UserEdit",
    ),
    _auth.fact(
        "user_role_changed",
        key="id",
        sample={"id": 7, "roles": {"old": ["noc"], "new": ["noc", "admin"]}},
        tmf="PartyRoleStateChangeEvent",
        whmcs="UserAdd, UserEdit",
    ),
)
