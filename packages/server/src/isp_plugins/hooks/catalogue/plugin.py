"""Hooks of plugins' own life."""

from isp_plugins.hooks.catalogue.define import Domain

_plugin = Domain("plugin")

HOOKS = (
    _plugin.filter(
        "plugin_before_install",
        veto=True,
        mutable=(),
        fail_closed=True,  # what a broken scanner would have refused must not be installed
        key="digest",
        deadline_ms=30_000,
        sample={
            "manifest": {"name": "coverage_map", "version": "1.2.0"},
            "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "signature": {
                "identity": "dev@example.com",
                "issuer": "https://idp.example.com",
                "verified": True,
            },
            "scan": {"findings": 0},
        },
        whmcs="(FOSSB onBeforeAdminInstallExtension)",
    ),
    _plugin.fact(
        "plugin_installed",
        key="plugin",
        sample={
            "plugin": "coverage_map",
            "version": "1.2.0",
            "actor": {"type": "api_key", "id": "1", "plugin": None},
        },
        uisp="hook_install / enable / disable / remove.php",
        whmcs="AddonActivated (addons), _activate, _deactivate",
    ),
    _plugin.fact(
        "plugin_enabled",
        key="plugin",
        sample={
            "plugin": "coverage_map",
            "version": "1.2.0",
            "actor": {"type": "api_key", "id": "1", "plugin": None},
        },
        uisp="hook_install / enable / disable / remove.php",
        whmcs="AddonActivated (addons), _activate, _deactivate",
    ),
    _plugin.fact(
        "plugin_disabled",
        key="plugin",
        sample={
            "plugin": "coverage_map",
            "version": "1.2.0",
            "actor": {"type": "api_key", "id": "1", "plugin": None},
        },
        uisp="hook_install / enable / disable / remove.php",
        whmcs="AddonActivated (addons), _activate, _deactivate",
    ),
    _plugin.fact(
        "plugin_uninstalled",
        key="plugin",
        sample={
            "plugin": "coverage_map",
            "version": "1.2.0",
            "actor": {"type": "api_key", "id": "1", "plugin": None},
        },
        uisp="hook_install / enable / disable / remove.php",
        whmcs="AddonActivated (addons), _activate, _deactivate",
    ),
    _plugin.fact(
        "plugin_configured",
        key="plugin",
        sample={"plugin": "coverage_map", "changed_keys": ["api_key"]},
        uisp="hook_configure.php",
        whmcs="AddonModuleConfigSave",
    ),
    _plugin.fact(
        "plugin_upgraded",
        key="plugin",
        sample={"plugin": "coverage_map", "from": "1.1.0", "to": "1.2.0", "migrations": ["0002"]},
        uisp="hook_update.php",
        whmcs="`_upgrade($vars)`",
    ),
    _plugin.fact(
        "plugin_health_changed",
        key="plugin",
        sample={
            "plugin": "coverage_map",
            "old": "healthy",
            "new": "degraded",
            "checks": [{"name": "map server", "status": "warn", "message": "slow"}],
        },
    ),
    _plugin.fact(
        "plugin_quarantined",
        key="plugin",
        sample={
            "plugin": "coverage_map",
            "hook": "site_coverage",
            "failures": 8,
            "window": 300.0,
            "until": "2030-01-31T14:00:00Z",
        },
        uisp='(LNMS "Plugin X disabled")',
    ),
    _plugin.fact(
        "plugin_hook_failed",
        key="plugin",
        sample={
            "plugin": "coverage_map",
            "hook": "site_coverage",
            "error": "TimeoutError",
            "ms": 2000.0,
            "input_digest": "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        },
    ),
)
