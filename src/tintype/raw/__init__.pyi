__all__ = [
    "ImportFolder",
]

from .import_folder import ImportFolder
