"""What a plan reads whole: tables by sequential scans, indexes without a condition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from .filling import Large

Node = Mapping[str, Any]
_BY_INDEX = ("Index Scan", "Index Only Scan", "Bitmap Index Scan")


def explained(connection: psycopg.Connection[Any], statement: str) -> Node:
    """Return the plan of a statement for unknown values. Raises psycopg's errors for what cannot be explained."""
    row = connection.execute(f"explain (generic_plan, format json) {statement}".encode()).fetchone()
    assert row is not None
    plan: Node = row[0][0]["Plan"]
    return plan


def read_whole(plan: Node, large: Large) -> set[str]:
    """Return which of the large tables the plan reads whole. A partial index on few rows is no large one."""
    return {str(node["Relation Name"]) for node, limited in _nodes(plan) if _is_whole(node, limited, large)}


def _is_whole(node: Node, limited: bool, large: Large) -> bool:
    if node["Relation Name"] not in large.grown:
        return False
    if node["Node Type"] == "Seq Scan":
        return True
    if node["Node Type"] not in _BY_INDEX or (index := node["Index Name"]) in large.small_indexes:
        return False
    if "Index Cond" not in node:
        # The first rows of an order are few, unless most are filtered out.
        return not limited or "Filter" in node
    # A condition on a further column only does not say where in the index to look.
    return _plain(large.leading[index]) not in _plain(node["Index Cond"])


def _plain(expression: str) -> str:
    """Return an expression without the casts, brackets and names of tables that PostgreSQL adds."""
    return re.sub(r"::\w+(\[\])?|[()\"]|\b\w+\.", "", expression)


def _nodes(node: Node, limited: bool = False, table: str = "") -> Iterator[tuple[Node, bool]]:
    table = node.get("Relation Name", table)
    yield {"Relation Name": table, **node}, limited
    for part in node.get("Plans", ()):
        passes = node["Node Type"] == "Limit" or (
            limited and node["Node Type"] in ("LockRows", "Result", "Subquery Scan")
        )
        yield from _nodes(part, passes and part["Parent Relationship"] != "InitPlan", table)
