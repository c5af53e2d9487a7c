"""DuckDB and ClickHouse (chdb) in this very process: no network, no server, two threads each.

Comes in: a CSV of the items. Goes out: engines over native tables sorted by register and time,
kept in the folder. Each is asked in the way that its manual shows: local periods by its own zones.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import chdb
import chdb.session
import duckdb

from bench.counting.data import COLUMNS
from bench.counting.questions import Answer, Question, Row, filled
from bench.counting.system import System

THREADS = 2
_METAS = [f"meta{number}" for number in range(len(COLUMNS))]
VERSIONS = {"DuckDB": duckdb.__version__, "ClickHouse (chdb)": chdb.engine_version}


async def export(system: System, path: Path) -> None:
    """The items of the whole dataset, sorted, with times as microseconds since 1970."""
    query = f"""SELECT register_id, (extract(epoch FROM originated_at) * 1000000)::bigint, amount,
                       {", ".join(f"coalesce({meta}, '')" for meta in _METAS)}
                  FROM register_items WHERE store_id = {system.whole.store_id}
                 ORDER BY register_id, originated_at"""  # noqa: S608 - names of ours
    async with system.database.acquire() as connection:
        await connection.copy_from_query(query, output=path, format="csv", timeout=3_600)


class DuckDb:
    slow = False

    def __init__(self, folder: Path, register_id: int) -> None:
        self.name = "DuckDB"
        self._register_id = register_id
        path = folder / "items.duckdb"
        is_new = not path.exists()
        self._connection = duckdb.connect(path)
        self._connection.execute(f"SET threads = {THREADS}")
        self._connection.execute("SET TimeZone = 'UTC'")
        if is_new:
            columns = ", ".join(f"{meta} VARCHAR" for meta in _METAS)
            names = ", ".join(f"column{number + 3:d} AS {m}" for number, m in enumerate(_METAS))
            self._connection.execute(
                f"""CREATE TABLE items (register_id BIGINT, originated_at TIMESTAMPTZ,
                                        amount DECIMAL(18, 2), {columns})"""
            )
            types = {"0": "BIGINT", "1": "BIGINT", "2": "DECIMAL(18, 2)"}
            types |= {str(number + 3): "VARCHAR" for number in range(len(_METAS))}
            listed = ", ".join(f"'column{n}': '{kind}'" for n, kind in types.items())
            self._connection.execute(
                f"""INSERT INTO items
                    SELECT column0, make_timestamptz(column1), column2, {names}
                      FROM read_csv('{folder / "items.csv"}', header = false,
                                    columns = {{{listed}}}) ORDER BY column0, column1"""  # noqa: S608
            )
            self._connection.execute("CHECKPOINT")

    async def ready(self) -> None:
        """It is in this process."""

    async def ask(self, question: Question) -> Any:
        period = (
            f"date_trunc('{question.period}', originated_at AT TIME ZONE '{question.zone}')"
            if question.period
            else "1"
        )
        low, high = (
            f"make_timestamptz({_micros(moment)})" for moment in (question.start, question.end)
        )
        sql = _sql(question, period, self._register_id, low, high)
        return self._connection.sql(sql).to_arrow_table()

    def read(self, question: Question, given: Any) -> Answer:
        columns = [column.to_pylist() for column in given.columns]
        rows = zip(*columns, strict=True)
        return filled(question, _rows(question, rows))

    async def close(self) -> None:
        self._connection.close()


class ClickHouse:
    slow = False

    def __init__(self, folder: Path, register_id: int) -> None:
        self.name = "ClickHouse (chdb)"
        self._register_id = register_id
        path = folder / "items.chdb"
        is_new = not path.exists()
        self._session = chdb.session.Session(str(path))
        self._session.query(f"SET max_threads = {THREADS}")
        if is_new:
            columns = ", ".join(f"{meta} LowCardinality(String)" for meta in _METAS)
            self._session.query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
            self._session.query(
                f"""CREATE TABLE bench.items (register_id Int64,
                        originated_at DateTime64(6, 'UTC'), amount Decimal(18, 2), {columns})
                    ENGINE = MergeTree ORDER BY (register_id, originated_at)"""
            )
            raw = ", ".join(f"{meta} String" for meta in _METAS)
            self._session.query(
                f"""INSERT INTO bench.items
                    SELECT register_id, fromUnixTimestamp64Micro(micros), amount,
                           {", ".join(_METAS)}
                      FROM file('{folder / "items.csv"}', 'CSV',
                                'register_id Int64, micros Int64, amount Decimal(18, 2), {raw}')"""  # noqa: S608
            )
            self._session.query("OPTIMIZE TABLE bench.items FINAL")

    async def ready(self) -> None:
        """It is in this process."""

    async def ask(self, question: Question) -> Any:
        start = {"day": "toStartOfDay", "month": "toStartOfMonth", None: ""}[question.period]
        period = f"{start}(originated_at, '{question.zone}')" if start else "1"
        low, high = (
            f"fromUnixTimestamp64Micro({_micros(moment)})"
            for moment in (question.start, question.end)
        )
        sql = _sql(question, period, self._register_id, low, high)
        return self._session.query(sql.replace("FROM items", "FROM bench.items"), "TabSeparated")

    def read(self, question: Question, given: Any) -> Answer:
        lines = bytes(given.bytes()).decode().splitlines()
        return filled(question, _rows(question, (line.split("\t") for line in lines)))

    async def close(self) -> None:
        self._session.close()


def _sql(question: Question, period: str, register_id: int, low: str, high: str) -> str:
    columns = "".join(f", meta{number}" for number in question.columns)
    total = "sum(amount)" if question.needs_sum else "NULL"
    keys = ["period", *(f"meta{number}" for number in question.columns)]
    grouped = f"GROUP BY {', '.join(keys)}" if question.period or question.columns else ""
    return f"""SELECT {period} AS period{columns}, count(*) AS items, {total} AS amount
                 FROM items
                WHERE register_id = {register_id} AND originated_at BETWEEN {low} AND {high}
                 {grouped}"""  # noqa: S608 - names of ours


def _rows(question: Question, rows: Iterable[Sequence[Any]]) -> Iterator[Row]:
    """Rows whose periods are local dates, in whichever way they are written."""
    zone = ZoneInfo(question.zone)
    days = (moment.astimezone(zone).date() for moment in question.boundaries())
    numbers = {day.isoformat(): number for number, day in enumerate(days, start=1)}
    for period, *group, items, total in rows:
        date = period if isinstance(period, str) else getattr(period, "isoformat", str)()
        number = numbers[date[:10]] if question.period else 1
        amount = None if total in (None, r"\N") else Decimal(total)
        yield number, tuple(group), int(items), amount


def _micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
