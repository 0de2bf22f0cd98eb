"""The worker's statements, one a file, named by what they do."""

from functools import cache
from pathlib import Path


@cache
def statement(name: str, folder: Path = Path(__file__).parent) -> str:
    """The text of the statement `name` (the file `name.sql` of a folder)."""
    return (folder / f"{name}.sql").read_text()
