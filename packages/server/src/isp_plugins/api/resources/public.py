"""What needs no key: is the server alive, is it ready, and what does a problem mean."""

from fastapi import APIRouter, Path

from isp_plugins.api.deps import System
from isp_plugins.api.errors import NotReadyError, ProblemUnknownError
from isp_plugins.api.gate import PUBLIC, GatedRoute, needs, operation_id
from isp_plugins.api.problems import ProblemKind, every_kind
from isp_plugins.api.schemas.records import LivenessOut, ProblemKindOut, ReadinessOut

router = APIRouter(tags=["Server"], route_class=GatedRoute, generate_unique_id_function=operation_id)


@router.get("/healthz", response_model=LivenessOut, **needs(PUBLIC))
async def get_liveness(system: System) -> LivenessOut:
    """Answers as long as the process works; says whether the node is cut off from its database and serves what it has."""
    membership = system.membership
    return LivenessOut(
        status="alive",
        node=membership.card.name,
        is_cut_off=membership.is_cut,
        cut_off_since=membership.cut_since,
    )


@router.get("/readyz", response_model=ReadinessOut, **needs(PUBLIC, NotReadyError))
async def get_readiness(system: System) -> ReadinessOut:
    """Answers 200 when the database can be read; 503 otherwise."""
    try:
        await system.database.check()
    except Exception as error:
        why = system.membership.unready() or "the database does not answer"
        raise NotReadyError(problem=why) from error
    return ReadinessOut(status="ready")


@router.get("/problems", response_model=list[ProblemKindOut], **needs(PUBLIC))
async def list_problems() -> list[ProblemKind]:
    """Every kind of problem that this API answers with."""
    return every_kind()


@router.get("/problems/{slug}", response_model=ProblemKindOut, **needs(PUBLIC, ProblemUnknownError))
async def get_problem(
    slug: str = Path(description="Last part of a problem's `type`."),
) -> ProblemKind:
    """Explain one kind of problem: its status and what its message says (`{field}` stands for a value)."""
    found = next((kind for kind in every_kind() if kind.slug == slug), None)
    if found is None:
        raise ProblemUnknownError(slug=repr(slug))
    return found
