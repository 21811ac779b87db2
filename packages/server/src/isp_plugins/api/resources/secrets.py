"""`/secrets/rotate`: encrypt what is secret with a newer key."""

from typing import Any

from isp_plugins.access import Scope
from isp_plugins.api.deps import Caller, System
from isp_plugins.api.gate import needs, resource
from isp_plugins.api.schemas.records import RotationOut

router = resource("/secrets", "Configuration")


@router.post("/rotate", response_model=RotationOut, **needs(Scope.SECRETS_ROTATE))
async def rotate_secrets(system: System, caller: Caller) -> Any:
    """Encrypt every stored secret with the newest key of the ring."""
    return await system.rotate_secrets(caller.actor)
