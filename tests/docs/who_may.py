"""Tables of who may do what at the broker and in the database, from the catalogue and the files `rights.sql` (F4)."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from importlib import import_module
from pathlib import Path

from docs.pages import table
from servicecert_schemas.broker import PRODUCER_BYTE_RATES
from servicecert_schemas.topics import SERVICES


def broker_quotas() -> list[str]:
    """Return how much each user of the broker may write, users with the same quota in one row."""
    users: dict[int, list[str]] = defaultdict(list)
    for user, rate in PRODUCER_BYTE_RATES.items():
        users[rate].append(f"`{user}`")
    return table(("user", "KiB a second"), ((", ".join(who), f"{rate // 1024:,}") for rate, who in users.items()))


_GRANT = re.compile(r"^grant (.+?) on (?!function|schema|sequence)(.+?) to ([^;]+);", re.MULTILINE | re.DOTALL)
_STATEMENT = re.compile(r"(select|insert|update|delete)( \([^)]*\))?")
_ROLES = ("service", "operators", "readers")
_WRITES = Path(__file__).parents[1] / "worker" / "writes.toml"


def database_rights() -> list[str]:
    """Return the statements that each role may use on each table: S, I, U, D; in brackets on some columns only.

    And what would follow from them without the service's process, as it is judged in `writes.toml`.
    """
    rows: list[tuple[str, ...]] = []
    judged = tomllib.loads(_WRITES.read_text("utf-8"))
    for place in ("worker", *SERVICES):
        package = import_module(f"servicecert_{place}").__path__[0]
        rights: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for statements, tables, roles in _GRANT.findall((Path(package) / "storage" / "rights.sql").read_text()):
            for verb, columns in _STATEMENT.findall(statements):
                letter = verb[0].upper()
                for name in tables.split(","):
                    for role in re.findall(r"\{(\w+)\}", roles):
                        rights[name.strip()][role].append(f"({letter})" if columns else letter)
        schema = "every schema" if place == "worker" else place
        follows = judged["every" if place == "worker" else place]
        rows += [
            (schema, f"`{name}`", *(" ".join(mine.get(role, ())) for role in _ROLES), _follows(follows.get(name, {})))
            for name, mine in rights.items()
        ]
    return table(("schema", "table", "its service", "operators", "readers", "from a write without its process"), rows)


def _follows(judged: dict[str, dict[str, str]]) -> str:
    """Return what follows from writes to a table, with their columns if not from all the same."""
    all_of_it = {follows: columns for writes in judged.values() for columns, follows in writes.items()}
    if len(all_of_it) < 2:
        return "".join(all_of_it)
    return "; ".join(
        f"{', '.join(f'`{it}`' for it in re.findall(r'[a-z_0-9]{3,}|id|at', columns))}: {follows}"
        for follows, columns in all_of_it.items()
    )
