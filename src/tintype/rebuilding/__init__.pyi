__all__ = [
    "Acceptance",
    "CleanReport",
    "Explanation",
    "GraphStatus",
    "GraphVerification",
    "RebuildReport",
    "RepairReport",
    "StageOutcome",
    "TaskStatus",
    "accept",
    "clean",
    "explain",
    "rebuild",
    "repair",
    "retry",
    "status",
    "verify_graph",
]

from .accepting import Acceptance, accept
from .building import rebuild
from .cleaning import CleanReport, clean
from .explanation import Explanation, explain
from .graph_status import GraphStatus, status
from .outcomes import RebuildReport, StageOutcome
from .repairing import GraphVerification, RepairReport, repair, verify_graph
from .retrying import retry
from .task_status import TaskStatus
