"""`/me`: who the server takes the caller for."""

from isp_plugins.api.deps import Caller
from isp_plugins.api.gate import ANY_KEY, needs, resource
from isp_plugins.api.schemas.records import MeOut

router = resource("/me", "Keys")


@router.get("", response_model=MeOut, **needs(ANY_KEY))
async def get_me(caller: Caller) -> MeOut:
    """Show who the server takes you for, and what you may do."""
    return MeOut(
        key_id=caller.actor.id,
        name=caller.actor.name,
        role=caller.role,
        scopes=sorted(caller.scopes),
        plugins=sorted(caller.plugins) if caller.plugins is not None else None,
        hooks=sorted(caller.hooks) if caller.hooks is not None else None,
    )
