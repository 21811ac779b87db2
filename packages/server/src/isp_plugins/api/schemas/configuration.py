"""Configuration: single values, all values at once, versions. A secret is shown as ********, whatever it holds."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from isp_plugins.api.schemas.base import Input, JsonObject, JsonValue, Name200, Output, datetime
from isp_plugins.configuration import Source

Key = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ConfigValueIn(Input):
    """A value for one key."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key": "smtp_server", "value": "mail.example.net"}]}
    )

    key: Key
    value: JsonValue
    is_encrypted: bool | None = Field(
        default=None,
        description="Keep it as a secret though the schema does not say so; left out: as the schema says.",
    )


class ConfigChangeIn(Input):
    """A new value for a stored key; the key itself stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"value": "mail2.example.net"}]})

    value: JsonValue
    key: Key | None = Field(
        default=None, description="The key of this configuration, if you want it checked."
    )
    is_encrypted: bool | None = None


class ConfigAllIn(Input):
    """Several values at once: all are saved, or none."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"values": {"smtp_server": "mail.example.net", "smtp_port": 587}}]}
    )

    values: dict[Key, JsonValue] = Field(max_length=1000)
    secrets: list[Key] = Field(
        default_factory=list,
        max_length=1000,
        description="Keys to keep encrypted though the schema does not say so.",
    )
    replace: bool = Field(
        default=True, description="Forget every stored key that is not named; false: the others stay."
    )
    note: Name200 = Field(default="", description="Why, for the list of versions.")


class ConfigEntryOut(Output):
    """One key of a plugin's configuration, stored or not."""

    id: int | None = Field(description="Null while nothing is stored.")
    key: str
    value: JsonValue
    is_encrypted: bool
    type: str | None
    required: bool
    default: JsonValue
    description: str
    source: Source = Field(description="Where the value comes from.")
    version: int | None = Field(description="The version that wrote the value.")
    updated_at: datetime | None
    updated_by: str | None


class ConfigListOut(Output):
    """Every key of the schema, stored or not, and what is stored beyond it."""

    items: list[ConfigEntryOut]
    total: int
    page: int
    size: int
    pages: int


class ConfigVersionOut(Output):
    """One version of a configuration: who, when, which keys; secrets masked."""

    version: int
    created_at: datetime
    created_by: str
    changed_keys: list[str]
    note: str
    keys: list[str]
    values: JsonObject


class ConnectionOut(Output):
    """What the plugin found when it tried its peers with the present configuration."""

    model_config = ConfigDict(from_attributes=True, extra="allow")
