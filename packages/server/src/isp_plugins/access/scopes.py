"""What a caller may do, as scopes."""

from enum import StrEnum


class Scope(StrEnum):
    """One permission; a role is a set of them."""

    PLUGINS_READ = "plugins:read"
    """See plugins, their states, statistics and dependencies."""
    PLUGINS_MANAGE = "plugins:manage"
    """Register, update, delete, enable, disable and reload plugins."""
    PLUGINS_EXECUTE = "plugins:execute"
    """Call a plugin's public methods."""
    CONFIG_READ = "config:read"
    """See configuration, its secrets masked."""
    CONFIG_MANAGE = "config:manage"
    """Change, roll back and test configuration."""
    HOOKS_READ = "hooks:read"
    """See the hook catalogue, chains and subscriptions."""
    HOOKS_MANAGE = "hooks:manage"
    """Make, change and remove subscriptions."""
    HOOKS_DISPATCH = "hooks:dispatch"
    """Dispatch hooks."""
    LOGS_READ = "logs:read"
    """Read plugin logs."""
    METRICS_READ = "metrics:read"
    """Read the host's metrics, as a Prometheus server does."""
    HEALTH_READ = "health:read"
    """See the health that was found last."""
    HEALTH_CHECK = "health:check"
    """Have a plugin probed now."""
    DOCTOR_RUN = "doctor:run"
    """Run the doctor over the whole system."""
    EVENTS_READ = "events:read"
    """See events and what became of them."""
    EVENTS_RETRY = "events:retry"
    """Deliver a failed event again."""
    TEMPLATES_READ = "templates:read"
    """See templates."""
    TEMPLATES_MANAGE = "templates:manage"
    """Add, change and remove templates."""
    REGISTRY_READ = "registry:read"
    """Browse the registry."""
    PROFILING_RUN = "profiling:run"
    """Profile a plugin."""
    KEYS_MANAGE = "keys:manage"
    """See, create and revoke API keys."""
    SECRETS_ROTATE = "secrets:rotate"
    """Encrypt all secrets with a new key."""
    AUDIT_READ = "audit:read"
    """Read and verify the audit trail."""


SYSTEM_WIDE = frozenset(
    {
        Scope.KEYS_MANAGE,
        Scope.SECRETS_ROTATE,
        Scope.AUDIT_READ,
        Scope.TEMPLATES_MANAGE,
        Scope.DOCTOR_RUN,
        Scope.METRICS_READ,
    }
)
"""Scopes that concern more than any one plugin or hook: a limited key never has them, or it could lift its own limits."""
