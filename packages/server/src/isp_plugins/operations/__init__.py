"""Operations: long work with steps and progress, that can be waited for, followed and cancelled, and that survives a kill."""

from isp_plugins.operations.progress import Progress
from isp_plugins.operations.records import Operation, OperationState, Step
from isp_plugins.operations.service import Operations

__all__ = ["Operation", "OperationState", "Operations", "Progress", "Step"]
