"""Who answers: ours over HTTP, bare SQL on the items, bare SQL on our rollups.

Comes in: a question. Goes out: whatever the engine gives (this is timed), and `read`, which makes
an `Answer` of it (this is not).
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Protocol

import asyncpg

from bench.counting.data import LABELS
from bench.counting.http_line import Line, Reply
from bench.counting.questions import Answer, Question, Row, filled
from bench.counting.system import Dataset


class Engine(Protocol):
    """`slow` engines are asked less often. `ready` comes before each question, untimed."""

    name: str
    slow: bool

    async def ready(self) -> None: ...

    async def ask(self, question: Question) -> Any: ...
    def read(self, question: Question, given: Any) -> Answer: ...
    async def close(self) -> None: ...


class OverHttp:
    """Any server that has the product's calls."""

    slow = False

    def __init__(self, name: str, url: str, dataset: Dataset) -> None:
        self.name = name
        self._dataset = dataset
        self._line = Line(url, dataset.token)

    async def ready(self) -> None:
        await self._line.ready()

    async def ask(self, question: Question) -> Reply:
        return await self._line.post(*question.call(self._dataset.largest, LABELS))

    def read(self, question: Question, given: Reply) -> Answer:
        return read_body(question, given.body)

    async def close(self) -> None:
        self._line.close()


def read_body(question: Question, body: bytes) -> Answer:
    """The cells of a JSON answer; its periods are numbered as they come in each group."""
    answer: Answer = {measure: {} for measure in question.measures}
    said = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    group: Any = None
    number = 0
    for row in said["rows"] if "rows" in said else said["count"]:
        number = number + 1 if row["group"] == group else 1
        group = row["group"]
        values = (group,) if isinstance(group, str) else tuple(group)
        for measure, cells in answer.items():
            value = row["value"] if "value" in row else row["values"][measure.removeprefix("item_")]
            cells[number, values if question.columns else ()] = value
    return answer


class BareSql:
    """One statement over asyncpg: no server, no checks, no JSON. `boundaries` are bound."""

    slow = True

    def __init__(self, name: str, connection: asyncpg.Connection, dataset: Dataset) -> None:
        self.name = name
        self._connection = connection
        self._dataset = dataset

    def source(self) -> str:
        """`FROM` and `WHERE`, with $1 the register, $2 and $3 the bounds."""
        return f"""FROM register_items WHERE store_id = {self._dataset.store_id}
                    AND register_id = $1 AND originated_at BETWEEN $2 AND $3"""

    def statement(self, question: Question) -> tuple[str, list[object]]:
        period = "width_bucket(originated_at, $4::timestamptz[])" if question.period else "1"
        columns = "".join(f", coalesce(meta{n}, '') AS c{n}" for n in question.columns)
        total = "sum(amount)" if question.needs_sum else "NULL::numeric"
        keys = [
            *(["1"] if question.period else []),
            *(str(place + 2) for place in range(len(question.columns))),
        ]
        sql = f"""SELECT {period} AS period{columns}, count(*) AS items, {total} AS amount
                  {self.source()} {"GROUP BY " + ", ".join(keys) if keys else ""}"""
        values: list[object] = [self._dataset.largest, question.start, question.end]
        return sql, [*values, question.boundaries()] if question.period else values

    async def ready(self) -> None:
        """A connection to PostgreSQL stays."""

    async def ask(self, question: Question) -> list[asyncpg.Record]:
        sql, values = self.statement(question)
        return await self._connection.fetch(sql, *values)

    def read(self, question: Question, given: list[asyncpg.Record]) -> Answer:
        return filled(question, map(_as_row, given))

    async def close(self) -> None:
        await self._connection.close()


class BarePartitioned(BareSql):
    """The same on a table of which each register is a partition."""

    def source(self) -> str:
        return "FROM bench.items WHERE register_id = $1 AND originated_at BETWEEN $2 AND $3"


class BareRollups(BareSql):
    """Bare SQL on our rollups: what is left when the system around it costs nothing. Only for
    questions whose bounds are bounds of buckets."""

    slow = False

    def __init__(
        self,
        name: str,
        connection: asyncpg.Connection,
        dataset: Dataset,
        rollups: dict[tuple[int, ...], int],
    ) -> None:
        super().__init__(name, connection, dataset)
        self._rollups = rollups

    def statement(self, question: Question) -> tuple[str, list[object]]:
        period = "width_bucket(bucket, $4::timestamptz[])" if question.period else "1"
        columns = "".join(f", k{place}" for place in range(len(question.columns)))
        total = "sum(amount)" if question.needs_sum else "NULL::numeric"
        keys = ", ".join(str(place + 1) for place in range(1 + len(question.columns)))
        sql = f"""SELECT {period} AS period{columns}, sum(items)::bigint AS items, {total} AS amount
                    FROM rollup_rows
                   WHERE store_id = {self._dataset.store_id} AND rollup_id = $1
                     AND bucket BETWEEN $2 AND $3 GROUP BY {keys}"""  # noqa: S608 - names of ours
        rollup_id = self._rollups[question.columns]
        values: list[object] = [rollup_id, question.start, question.end]
        return sql, [*values, question.boundaries()] if question.period else values


def _as_row(record: asyncpg.Record) -> Row:
    number, *group, items, total = record
    return number, tuple(group), items, total
