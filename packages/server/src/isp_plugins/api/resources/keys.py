"""`/keys`: API keys are created, listed and revoked; a token is shown once."""

from typing import Annotated, Any

from fastapi import Body, Query

from isp_plugins.access import ApiKeyView, Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.schemas.base import PageOf, PageQuery
from isp_plugins.api.schemas.records import KeyIn, KeyOut, NewKeyOut
from isp_plugins.db.paging import Page

router = resource("/keys", "Keys")


@router.get("", response_model=PageOf[KeyOut], **needs(Scope.KEYS_MANAGE))
async def list_keys(system: System, query: Annotated[PageQuery, Query()]) -> Page[ApiKeyView]:
    """List every key, revoked and expired ones too."""
    return await system.keys.page(page=query.page, size=query.size)


@router.post("", status_code=201, response_model=NewKeyOut, **needs(Scope.KEYS_MANAGE))
async def create_key(system: System, caller: Caller, body: Annotated[KeyIn, Body()]) -> dict[str, Any]:
    """Create a key; keep its token, it is not shown again."""
    view, token = await system.keys.create(**body.model_dump(), actor=caller.actor)
    return KeyOut.model_validate(view).model_dump() | {"token": token}


@router.delete("/{key_id:id}", response_model=KeyOut, **needs(Scope.KEYS_MANAGE))
async def revoke_key(system: System, caller: Caller, key_id: int) -> ApiKeyView:
    """Revoke a key; its next request is refused. It stays in the list."""
    return await system.keys.revoke(key_id, caller.actor)
