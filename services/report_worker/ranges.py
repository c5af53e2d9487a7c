"""Cutting a large file into ranges of its leading column, to be read by several connections.

In: a file, and what its SELECT is called with. Out: one range after the other, each a FROM clause
and its arguments, which together are all of the file in its order. A file that PostgreSQL would
have to sort is left whole: every range of it would be sorted out of everything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from services.report_worker.exports.definition import ExportFile, bare
from services.report_worker.pieces import PIECE_BYTES
from shared.database.pool import Connection
from shared.database.queries import load_expressions

_SQL = load_expressions(__file__)
RANGE_ROWS_MIN, RANGE_ROWS_MAX = 1_000, 100_000
# Of a file's arguments, those that all files have: the store and the range of time.
RANGE_ARGUMENTS = 3
_ASIDE = ("SubPlan", "InitPlan")


@dataclass(frozen=True, slots=True)
class Range:
    """`rows` is a FROM clause; nothing comes behind the last one."""

    rows: str
    arguments: tuple[Any, ...]
    is_last: bool
    is_whole: bool


class Ranges:
    """The ranges of one file. With `rows_max` None there is a single one."""

    def __init__(
        self, file: ExportFile, arguments: tuple[Any, ...], rows_max: int | None = None
    ) -> None:
        self._file = file
        self._arguments = arguments
        self._rows_max = rows_max
        self._last: Any = None  # of the range before

    @classmethod
    async def of(
        cls, connection: Connection, file: ExportFile, arguments: tuple[Any, ...]
    ) -> Ranges:
        """As many as it takes for each to be about `PIECE_BYTES`."""
        if not file.ranged_by:
            return cls(file, arguments)
        rows = _rows(file)
        told = await connection.fetchval(_SQL["explain"].format(rows=rows), *arguments)
        plan = json.loads(told)[0]["Plan"]
        if _sorts(plan):
            return cls(file, arguments)
        fitting = PIECE_BYTES // max(1, plan["Plan Width"])
        return cls(file, arguments, min(max(fitting, RANGE_ROWS_MIN), RANGE_ROWS_MAX))

    async def next(self, connection: Connection) -> Range:
        """The next range. Not to be asked for behind the last one."""
        rows, arguments, key = _rows(self._file), self._arguments, self._file.ranged_by
        if self._rows_max is None:
            return Range(rows, arguments, is_last=True, is_whole=True)
        conditions = []
        if self._last is not None:
            arguments = (*arguments, self._last)
            conditions.append(_SQL["after"].format(key=key, parameter=len(arguments)))
        last = await connection.fetchval(
            self._file.cuts,
            *self._arguments[:RANGE_ARGUMENTS],
            self._last,
            self._rows_max - 1,
        )
        if last is not None:
            arguments = (*arguments, last)
            conditions.append(_SQL["up_to"].format(key=key, parameter=len(arguments)))
            self._last = last
        return Range(_where(rows, conditions), arguments, is_last=last is None, is_whole=False)


async def follow(connection: Connection, *, is_whole: bool) -> None:
    """How the connection reads from now on, to the end of its transaction."""
    await connection.execute(_SQL["follow_planner" if is_whole else "follow_index"])


def _rows(file: ExportFile) -> str:
    return _SQL["rows"].format(select=bare(file.select))


def _where(rows: str, conditions: list[str]) -> str:
    return f"{rows} WHERE {' AND '.join(conditions)}" if conditions else rows


def _sorts(plan: dict[str, Any]) -> bool:
    """Whether all rows have to be there before the first one comes out."""
    if plan["Node Type"] == "Sort":
        return True
    return any(
        _sorts(below)
        for below in plan.get("Plans", ())
        if below["Parent Relationship"] not in _ASIDE
    )
