"""Whether the files of a report agree: with one another, and with the sales register.

In: the snapshot that the files were copied from, and how many rows of each went out. Out: the
control totals of each file and of the register; `ControlTotalsError` when two that measure the same
thing differ in a single unit of any currency.

A file's totals are computed by the very SELECT that was copied, while it was, or once more in the
same snapshot; its rows have to be as many as were sent. The register's are computed from its lines,
which is what the file that shows them is copied from, and from its rollups, which is where a
question for a sum looks. No row comes to us.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from services.report_worker.copying import together
from services.report_worker.exports.definition import (
    COUNTS,
    Export,
    ExportFile,
    Measure,
    totals_select,
)
from services.report_worker.failures import ControlTotalsError
from services.report_worker.register_totals import REGISTER, REGISTER_MEASURES, REGISTER_TOTALS
from shared.database.pool import Connection
from shared.database.queries import load_queries
from shared.database.reports import Report
from shared.rollups.grid import COVER_END, COVER_START

_SQL = load_queries(__file__)

# By currency, and by what is measured. Counts are integers, amounts exact decimals.
Totals = Mapping[str, Mapping[Measure, Decimal | int]]
_Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """What one source says: a file, or the sales register. A currency that it does not name has 0
    of everything that it measures."""

    source: str
    measures: frozenset[Measure]
    totals: Totals


@dataclass(frozen=True, slots=True)
class Control:
    """`told`: by each file, in their order, and by the register, if any file measures something.
    `snapshot_at` is the moment that all of it is from, ISO 8601 in the report's zone."""

    snapshot_at: str
    told: tuple[Told, ...]


async def reconcile(
    connections: Sequence[Connection],
    export: Export,
    report: Report,
    sent_rows: Sequence[int],
    *,
    seconds_max: float,
) -> Control:
    """Compute the totals of the files and of the register, and compare them. `connections`: all
    that files were copied on, in one snapshot, the one that took it first. `sent_rows`: how many of
    each file were sent."""
    if not any(file.totals for file in export.files):
        nothing = tuple(_told(file.name, (), ()) for file in export.files)
        return Control(await _snapshot_at(connections), nothing)
    arguments = (report.store_id, report.range_start, report.range_end)
    told_rows = [await _told_by(connections, file) for file in export.files]
    asked_files = [
        file
        for file, rows in zip(export.files, told_rows, strict=True)
        if file.totals and rows is None and not file.is_register
    ]
    *answers, register = await _ask(
        connections,
        [
            *((totals_select(file), (*arguments, *file.parameters)) for file in asked_files),
            (REGISTER_TOTALS, arguments),
        ],
        seconds_max,
    )
    answered = dict(zip((file.name for file in asked_files), answers, strict=True))

    told: list[Told] = []
    for file, sent, rows in zip(export.files, sent_rows, told_rows, strict=True):
        found = _as_rows(register) if file.is_register else rows or answered.get(file.name, [])
        if file.totals and (counted := sum(row["rows"] for row in found)) != sent:
            raise ControlTotalsError(f"{file.name}: {sent} rows were sent, {counted} are there")
        told.append(_told(file.name, file.totals.keys(), found))
    told.append(_told(REGISTER, REGISTER_MEASURES, register))
    wrong = [*differences(told)]
    if any(Measure.LINES in file.totals for file in export.files):
        rollups = await connections[0].fetch(
            _SQL["rollup_totals"], *arguments, COVER_START, COVER_END, timeout=seconds_max
        )
        wrong += _answered_otherwise(told[-1], [dict(row) for row in rollups])
    if wrong:
        raise ControlTotalsError("; ".join(wrong))
    return Control(await _snapshot_at(connections), tuple(told))


async def _snapshot_at(connections: Sequence[Connection]) -> str:
    moment: str = await connections[0].fetchval(_SQL["snapshot_moment"])
    return moment


async def _told_by(connections: Sequence[Connection], file: ExportFile) -> _Rows | None:
    """What the file told while it was copied on one of the connections, if it does."""
    for connection in connections if file.is_aggregate else ():
        if told := await connection.fetchval(_SQL["told_totals"], file.setting):
            rows: _Rows = json.loads(told, parse_float=Decimal)
            return rows
    return None


async def _ask(
    connections: Sequence[Connection],
    statements: Sequence[tuple[str, tuple[object, ...]]],
    seconds_max: float,
) -> list[_Rows]:
    """The rows of each, in their order. Each connection asks the next one, until none is left."""
    answers: list[_Rows] = [[] for _ in statements]
    waiting = iter(enumerate(statements))

    async def work(connection: Connection) -> None:
        for at, (statement, arguments) in waiting:
            rows = await connection.fetch(statement, *arguments, timeout=seconds_max)
            answers[at] = [dict(row) for row in rows]

    await together(work(connection) for connection in connections)
    return answers


def _as_rows(register: _Rows) -> _Rows:
    """Of a file whose rows are the register's lines."""
    return [{**row, "rows": row[Measure.LINES]} for row in register]


def differences(told: Sequence[Told]) -> Iterator[str]:
    """Every measure and currency about which two sources say different things, in words."""
    currencies = sorted({currency for one in told for currency in one.totals})
    for measure in Measure:
        tellers = [one for one in told if measure in one.measures]
        for currency in currencies:
            said = {one.source: one.totals.get(currency, {}).get(measure, 0) for one in tellers}
            if len({*said.values()}) > 1:
                listed = ", ".join(f"{source} {amount}" for source, amount in said.items())
                yield f"{measure} in {currency}: {listed}"


def _answered_otherwise(register: Told, rollups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Where a rollup gives another count or sum of all currencies than the register's items."""
    for measure in (Measure.LINES, Measure.AMOUNT):
        held = sum((totals[measure] for totals in register.totals.values()), Decimal())
        for rollup in rollups:
            if rollup[measure] != held:
                grain = rollup["grain"]
                yield f"{measure}: {REGISTER} {held}, its totals by {grain} {rollup[measure]}"


def _told(source: str, measures: Iterable[Measure], rows: Sequence[Mapping[str, Any]]) -> Told:
    return Told(
        source,
        frozenset(measures),
        {
            row["currency"]: {
                measure: row[measure] if measure in COUNTS else Decimal(row[measure])
                for measure in measures
            }
            for row in rows
        },
    )
