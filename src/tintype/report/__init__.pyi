__all__ = [
    "WrittenReport",
    "write_report",
]

from .writing import WrittenReport, write_report
