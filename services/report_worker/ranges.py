"""Cutting a large file into ranges of its leading column, to be read by several connections.

In: a file, and what its SELECT is called with. Out: one range after the other, each a FROM clause
and its arguments, which together are all of the file in its order. A file that PostgreSQL would
have to sort is left whole: every range of it would be sorted out of everything.

What a file's SELECT looks up for each row comes from a join where a range is most of what there is
to read, as the planner expects: a look-up costs as much as reading some rows along.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from services.report_worker.exports.definition import ExportFile, Joined, bare
from services.report_worker.pieces import PIECE_BYTES
from shared.database.pool import Connection
from shared.database.queries import load_expressions

_SQL = load_expressions(__file__)
RANGE_ROWS_MIN, RANGE_ROWS_MAX = 1_000, 100_000
# Of a file's arguments, those that all files have: the store and the range of time.
RANGE_ARGUMENTS = 3
# Rows that a join may read for each row that it gives. Measured (docs/decisions/0014): with three
# orders a customer the join takes 0.8 of the time of looking up, with twenty as much.
JOINED_ROWS_MAX = 5
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
        self,
        file: ExportFile,
        arguments: tuple[Any, ...],
        rows_max: int | None = None,
        joined: Joined | None = None,
    ) -> None:
        self._file = file
        self._arguments = arguments
        self._rows_max = rows_max
        self._joined = joined
        self._last: Any = None  # of the range before

    @classmethod
    async def of(
        cls, connection: Connection, file: ExportFile, arguments: tuple[Any, ...]
    ) -> Ranges:
        """As many as it takes for each to be about `PIECE_BYTES`."""
        if not file.ranged_by:
            return cls(file, arguments)
        plan = await _plan(connection, _rows(file), arguments)
        if _sorts(plan):
            return cls(file, arguments)
        fitting = PIECE_BYTES // max(1, plan["Plan Width"])
        rows_max = min(max(fitting, RANGE_ROWS_MIN), RANGE_ROWS_MAX)
        if file.joined is None:
            return cls(file, arguments, rows_max)
        joining = await _plan(
            connection, joined_rows(file, file.joined), _of_range(arguments, None, None)
        )
        is_joined = _rows_read(joining) <= JOINED_ROWS_MAX * plan["Plan Rows"]
        return cls(file, arguments, rows_max, file.joined if is_joined else None)

    async def next(self, connection: Connection) -> Range:
        """The next range. Not to be asked for behind the last one."""
        if self._rows_max is None:
            return Range(_rows(self._file), self._arguments, is_last=True, is_whole=True)
        first = self._last
        last = await connection.fetchval(
            self._file.cuts, *self._arguments[:RANGE_ARGUMENTS], first, self._rows_max - 1
        )
        self._last = last
        if self._joined is None:
            rows, arguments = _limited(self._file, self._arguments, first, last)
        else:
            rows = joined_rows(self._file, self._joined)
            arguments = _of_range(self._arguments, first, last)
        return Range(rows, arguments, is_last=last is None, is_whole=False)


async def follow(connection: Connection, *, is_whole: bool) -> None:
    """How the connection reads from now on, to the end of its transaction."""
    await connection.execute(_SQL["follow_planner" if is_whole else "follow_index"])


async def _plan(connection: Connection, rows: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
    told = await connection.fetchval(_SQL["explain"].format(rows=rows), *arguments)
    plan: dict[str, Any] = json.loads(told)[0]["Plan"]
    return plan


def _rows(file: ExportFile) -> str:
    return _SQL["rows"].format(select=bare(file.select))


def _limited(
    file: ExportFile, arguments: tuple[Any, ...], first: Any, last: Any
) -> tuple[str, tuple[Any, ...]]:
    conditions = []
    for part, end in (("after", first), ("up_to", last)):
        if end is not None:
            arguments = (*arguments, end)
            conditions.append(_SQL[part].format(key=file.ranged_by, parameter=len(arguments)))
    rows = _rows(file)
    return (f"{rows} WHERE {' AND '.join(conditions)}" if conditions else rows), arguments


def joined_rows(file: ExportFile, joined: Joined) -> str:
    """The FROM clause of a range with its join. $4 and $5: see `Joined`."""
    columns = [
        f'{"joined" if name in joined.columns else "looked_up"}."{name}"'
        for name in (*(column.name for column in file.columns), *file.beside)
    ]
    return _SQL["joined"].format(
        columns=", ".join(columns),
        key=file.ranged_by,
        select=bare(file.select),
        joined=bare(joined.select),
    )


def _of_range(arguments: tuple[Any, ...], first: Any, last: Any) -> tuple[Any, ...]:
    return (*arguments[:RANGE_ARGUMENTS], first, last)


def _sorts(plan: dict[str, Any]) -> bool:
    """Whether all rows have to be there before the first one comes out."""
    if plan["Node Type"] == "Sort":
        return True
    return any(
        _sorts(below)
        for below in plan.get("Plans", ())
        if below["Parent Relationship"] not in _ASIDE
    )


def _rows_read(plan: dict[str, Any]) -> int:
    """By all scans of tables together, as far as the planner knows."""
    below = [part for part in plan.get("Plans", ()) if part["Parent Relationship"] not in _ASIDE]
    return sum(map(_rows_read, below)) if below else int(plan["Plan Rows"])
