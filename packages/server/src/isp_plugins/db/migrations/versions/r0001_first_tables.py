"""Every table of the first release, the built-in roles, and the marker that says whose database this is."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
NAME = String(200)
WORD = String(32)
HASH = LargeBinary(32)


def upgrade() -> None:
    _system()
    _plugins()
    _parts()
    _configuration()
    _records()
    _audit()
    _catalogue()
    _seed()


def _system() -> None:
    """The marker, and the roles and keys of the callers."""
    op.create_table(
        "system_metadata",
        Column("name", NAME, nullable=False),
        Column("value", Text(), nullable=False),
        PrimaryKeyConstraint("name", name="pk_system_metadata"),
    )
    op.create_table(
        "roles",
        Column("name", NAME, nullable=False),
        Column("scopes", JSON, nullable=False),
        Column("description", Text(), nullable=False),
        Column("built_in", Boolean(), nullable=False),
        PrimaryKeyConstraint("name", name="pk_roles"),
    )
    op.create_table(
        "api_keys",
        Column("id", Integer(), nullable=False),
        Column("name", NAME, nullable=False),
        Column("token_hash", HASH, nullable=False),
        Column("token_hint", NAME, nullable=False),
        Column("role", NAME, nullable=False),
        Column("plugins", JSON, nullable=True),
        Column("hooks", JSON, nullable=True),
        Column("created_at", MOMENT, nullable=False),
        Column("created_by", NAME, nullable=False),
        Column("expires_at", MOMENT, nullable=True),
        Column("revoked_at", MOMENT, nullable=True),
        Column("last_used_at", MOMENT, nullable=True),
        ForeignKeyConstraint(["role"], ["roles.name"], name="fk_api_keys_role_roles"),
        PrimaryKeyConstraint("id", name="pk_api_keys"),
        UniqueConstraint("token_hash", name="uq_api_keys_token_hash"),
    )


def _plugins() -> None:
    """Plugins and what each node reports of them."""
    op.create_table(
        "plugins",
        Column("id", Integer(), nullable=False),
        Column("name", NAME, nullable=False),
        Column("display_name", NAME, nullable=False),
        Column("description", Text(), nullable=False),
        Column("version", NAME, nullable=False),
        Column("author", NAME, nullable=False),
        Column("plugin_type", WORD, nullable=False),
        Column("module_path", NAME, nullable=False),
        Column("entry_point", NAME, nullable=False),
        Column("config_schema", JSON, nullable=False),
        Column("runtime", WORD, nullable=False),
        Column("exclusive", Boolean(), nullable=False),
        Column("trusted_inline", Boolean(), nullable=False),
        Column("log_level", WORD, nullable=False),
        Column("desired", WORD, nullable=False),
        Column("generation", Integer(), nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("updated_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("id", name="pk_plugins"),
        UniqueConstraint("name", name="uq_plugins_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_plugins_desired", "plugins", ["desired"])
    op.create_index("ix_plugins_plugin_type", "plugins", ["plugin_type"])
    op.create_table(
        "plugin_instances",
        Column("plugin_id", Integer(), nullable=False),
        Column("node", NAME, nullable=False),
        Column("state", WORD, nullable=False),
        Column("generation", Integer(), nullable=False),
        Column("cause", Text(), nullable=True),
        Column("failures", Integer(), nullable=False),
        Column("since", MOMENT, nullable=False),
        Column("retry_at", MOMENT, nullable=True),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_plugin_instances_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("plugin_id", "node", name="pk_plugin_instances"),
    )


def _parts() -> None:
    """What belongs to one plugin: subscriptions and dependencies."""
    op.create_table(
        "plugin_hooks",
        Column("id", Integer(), nullable=False),
        Column("plugin_id", Integer(), nullable=False),
        Column("hook_name", NAME, nullable=False),
        Column("hook_type", WORD, nullable=False),
        Column("callback_method", NAME, nullable=False),
        Column("priority", Integer(), nullable=False),
        Column("description", Text(), nullable=False),
        Column("conditions", Text(), nullable=True),
        Column("timeout_ms", Integer(), nullable=True),
        Column("failure_policy", WORD, nullable=False),
        Column("own_echo", Boolean(), nullable=False),
        Column("is_active", Boolean(), nullable=False),
        Column("declared", Boolean(), nullable=False),
        Column("overrides", JSON, nullable=False),
        Column("binding", WORD, nullable=False),
        Column("binding_error", Text(), nullable=True),
        Column("created_at", MOMENT, nullable=False),
        Column("updated_at", MOMENT, nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_plugin_hooks_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_plugin_hooks"),
        UniqueConstraint(
            "plugin_id", "hook_name", "callback_method", "hook_type", name="uq_plugin_hooks_plugin_id"
        ),
    )
    op.create_index("ix_plugin_hooks_hook_name", "plugin_hooks", ["hook_name"])
    op.create_table(
        "plugin_dependencies",
        Column("id", Integer(), nullable=False),
        Column("plugin_id", Integer(), nullable=False),
        Column("kind", WORD, nullable=False),
        Column("name", NAME, nullable=False),
        Column("specifier", NAME, nullable=False),
        Column("optional", Boolean(), nullable=False),
        Column("is_satisfied", Boolean(), nullable=False),
        Column("found", NAME, nullable=True),
        Column("checked_at", MOMENT, nullable=True),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_plugin_dependencies_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("id", name="pk_plugin_dependencies"),
        UniqueConstraint("plugin_id", "kind", "name", name="uq_plugin_dependencies_plugin_id"),
    )


def _configuration() -> None:
    """Configuration with its versions, and the plugins' own storage."""
    op.create_table(
        "plugin_configurations",
        Column("id", Integer(), nullable=False),
        Column("plugin_id", Integer(), nullable=False),
        Column("key", NAME, nullable=False),
        Column("value", JSON, nullable=True),
        Column("ciphertext", LargeBinary(), nullable=True),
        Column("is_encrypted", Boolean(), nullable=False),
        Column("version", Integer(), nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("updated_at", MOMENT, nullable=False),
        Column("updated_by", NAME, nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"],
            ["plugins.id"],
            name="fk_plugin_configurations_plugin_id_plugins",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("id", name="pk_plugin_configurations"),
        UniqueConstraint("plugin_id", "key", name="uq_plugin_configurations_plugin_id"),
    )
    op.create_table(
        "configuration_versions",
        Column("plugin_id", Integer(), nullable=False),
        Column("version", Integer(), nullable=False),
        Column("entries", JSON, nullable=False),
        Column("changed_keys", JSON, nullable=False),
        Column("note", NAME, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("created_by", NAME, nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"],
            ["plugins.id"],
            name="fk_configuration_versions_plugin_id_plugins",
            ondelete="CASCADE",
        ),
        PrimaryKeyConstraint("plugin_id", "version", name="pk_configuration_versions"),
    )
    op.create_table(
        "plugin_storage",
        Column("plugin_id", Integer(), nullable=False),
        Column("key", NAME, nullable=False),
        Column("value", JSON, nullable=False),
        Column("updated_at", MOMENT, nullable=False),
        ForeignKeyConstraint(
            ["plugin_id"], ["plugins.id"], name="fk_plugin_storage_plugin_id_plugins", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("plugin_id", "key", name="pk_plugin_storage"),
    )


def _records() -> None:
    """Logs and the stored results of dispatches."""
    op.create_table(
        "plugin_logs",
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), nullable=False),
        Column("at", MOMENT, nullable=False),
        Column("node", NAME, nullable=False),
        Column("plugin_id", Integer(), nullable=False),
        Column("plugin_name", NAME, nullable=False),
        Column("level", WORD, nullable=False),
        Column("message", Text(), nullable=False),
        Column("hook", NAME, nullable=True),
        Column("method", NAME, nullable=True),
        Column("request_id", NAME, nullable=True),
        Column("duration_ms", Float(), nullable=True),
        Column("traceback", Text(), nullable=True),
        PrimaryKeyConstraint("id", name="pk_plugin_logs"),
    )
    op.create_index("ix_plugin_logs_at", "plugin_logs", ["at"])
    op.create_index("ix_plugin_logs_hook_level_at", "plugin_logs", ["hook", "level", "at", "id"])
    op.create_index("ix_plugin_logs_level_at", "plugin_logs", ["level", "at", "id"])
    op.create_index("ix_plugin_logs_plugin_id_level_at", "plugin_logs", ["plugin_id", "level", "at", "id"])
    op.create_index("ix_plugin_logs_request_id", "plugin_logs", ["request_id"])
    op.create_table(
        "idempotent_dispatches",
        Column("caller", NAME, nullable=False),
        Column("key", NAME, nullable=False),
        Column("hook", NAME, nullable=False),
        Column("digest", HASH, nullable=False),
        Column("result", JSON, nullable=True),
        Column("created_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("caller", "key", name="pk_idempotent_dispatches"),
    )
    op.create_index("ix_idempotent_dispatches_created_at", "idempotent_dispatches", ["created_at"])


def _audit() -> None:
    """The audit trail and the heads of its chains."""
    op.create_table(
        "audit_entries",
        Column("id", Integer(), nullable=False),
        Column("node", NAME, nullable=False),
        Column("sequence", Integer(), nullable=False),
        Column("at", MOMENT, nullable=False),
        Column("tag", NAME, nullable=False),
        Column("outcome", WORD, nullable=False),
        Column("actor_type", WORD, nullable=False),
        Column("actor_id", NAME, nullable=False),
        Column("actor_name", NAME, nullable=False),
        Column("source", NAME, nullable=True),
        Column("request_id", NAME, nullable=True),
        Column("subject_type", WORD, nullable=False),
        Column("subject_id", NAME, nullable=False),
        Column("details", JSON, nullable=False),
        Column("key_id", NAME, nullable=False),
        Column("mac", HASH, nullable=False),
        PrimaryKeyConstraint("id", name="pk_audit_entries"),
        UniqueConstraint("node", "sequence", name="uq_audit_entries_node"),
    )
    op.create_index("ix_audit_entries_at", "audit_entries", ["at"])
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject_type", "subject_id"])
    op.create_index("ix_audit_entries_tag", "audit_entries", ["tag"])
    op.create_table(
        "audit_heads",
        Column("node", NAME, nullable=False),
        Column("count", Integer(), nullable=False),
        Column("mac", HASH, nullable=False),
        Column("seal", HASH, nullable=False),
        Column("key_id", NAME, nullable=False),
        PrimaryKeyConstraint("node", name="pk_audit_heads"),
    )


def _catalogue() -> None:
    """What there is to install, and to start from."""
    op.create_table(
        "plugin_registry",
        Column("id", Integer(), nullable=False),
        Column("name", NAME, nullable=False),
        Column("version", NAME, nullable=False),
        Column("display_name", NAME, nullable=False),
        Column("description", Text(), nullable=False),
        Column("author", NAME, nullable=False),
        Column("plugin_type", WORD, nullable=False),
        Column("digest", NAME, nullable=False),
        Column("location", Text(), nullable=False),
        Column("manifest", JSON, nullable=False),
        Column("published_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("id", name="pk_plugin_registry"),
        UniqueConstraint("name", "version", name="uq_plugin_registry_name"),
    )
    op.create_index("ix_plugin_registry_plugin_type", "plugin_registry", ["plugin_type"])
    op.create_table(
        "plugin_templates",
        Column("id", Integer(), nullable=False),
        Column("name", NAME, nullable=False),
        Column("description", Text(), nullable=False),
        Column("plugin_type", WORD, nullable=False),
        Column("files", JSON, nullable=False),
        Column("variables", JSON, nullable=False),
        Column("created_at", MOMENT, nullable=False),
        Column("updated_at", MOMENT, nullable=False),
        PrimaryKeyConstraint("id", name="pk_plugin_templates"),
        UniqueConstraint("name", name="uq_plugin_templates_name"),
    )


VIEWER = [
    "plugins:read",
    "config:read",
    "hooks:read",
    "logs:read",
    "health:read",
    "events:read",
    "templates:read",
    "registry:read",
    "audit:read",
]
OPERATOR = [*VIEWER, "health:check", "hooks:dispatch", "doctor:run", "events:retry"]
DEVELOPER = [*OPERATOR, "templates:manage", "profiling:run"]
ADMIN = [
    *DEVELOPER,
    "plugins:manage",
    "plugins:execute",
    "config:manage",
    "hooks:manage",
    "keys:manage",
    "secrets:rotate",
]
ROLES = [
    ("caller", ["hooks:dispatch"], "Dispatches hooks and nothing else: the ISP's own software."),
    ("viewer", VIEWER, "Reads everything; secrets stay masked."),
    ("operator", OPERATOR, "Also probes health, dispatches hooks, runs the doctor and retries events."),
    ("developer", DEVELOPER, "Also manages templates and profiles plugins."),
    (
        "admin",
        ADMIN,
        "Everything: manages plugins, configuration, hooks, keys and secrets, and executes methods.",
    ),
]


def _seed() -> None:
    """The built-in roles as they were at this revision, and whose database this is."""
    roles = sa.table(
        "roles",
        Column("name", NAME),
        Column("scopes", JSON),
        Column("description", Text()),
        Column("built_in", Boolean()),
    )
    op.bulk_insert(
        roles,
        [
            {"name": name, "scopes": sorted(scopes), "description": description, "built_in": True}
            for name, scopes, description in ROLES
        ],
    )
    metadata = sa.table("system_metadata", Column("name", NAME), Column("value", Text()))
    facts = {"application": "isp-plugins", "compatible_from": revision, "api_keys_version": "0"}
    op.bulk_insert(metadata, [{"name": name, "value": value} for name, value in facts.items()])
