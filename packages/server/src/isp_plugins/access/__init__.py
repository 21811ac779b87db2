"""Access: who may do what, by API keys, roles and scopes."""

from isp_plugins.access.bootstrap import ensure_admin_key, recover
from isp_plugins.access.errors import (
    ExpiredKeyError,
    HookNotAllowedError,
    KeyInvalidError,
    KeyNotFoundError,
    MissingKeyError,
    PluginNotAllowedError,
    RevokedKeyError,
    ScopeMissingError,
    UnknownKeyError,
)
from isp_plugins.access.principal import Principal
from isp_plugins.access.roles import ROLES, RoleName
from isp_plugins.access.scopes import Scope
from isp_plugins.access.service import ApiKeys
from isp_plugins.access.views import ApiKeyView, KeyStatus

__all__ = [
    "ROLES",
    "ApiKeyView",
    "ApiKeys",
    "ExpiredKeyError",
    "HookNotAllowedError",
    "KeyInvalidError",
    "KeyNotFoundError",
    "KeyStatus",
    "MissingKeyError",
    "PluginNotAllowedError",
    "Principal",
    "RevokedKeyError",
    "RoleName",
    "Scope",
    "ScopeMissingError",
    "UnknownKeyError",
    "ensure_admin_key",
    "recover",
]
