"""A register with items in it, and questions about it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.aggregator.aggregate import Aggregator, Outcome
from shared.contracts.aggregations import AggregateArguments, AggregateQuery
from shared.database.pool import Database

# (originated_at, amount, meta0, meta1, ...)
Row = tuple[Any, ...]
MakeRegister = Callable[..., Awaitable["Register"]]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@dataclass(frozen=True)
class Register:
    """A register of the test's own store, and a way to ask about it."""

    store_id: int
    register_id: int
    aggregator: Aggregator

    def query(
        self,
        measure: str = "item_sum",
        *,
        seconds: float = 30,
        representation: Any = "json",
        if_none_match: str | None = None,
        **arguments: Any,
    ) -> AggregateQuery:
        bounds = {"start_at": "2024-01-01T00:00:00Z", "end_at": "2024-12-31T23:59:59Z"}
        given = {"register_id": self.register_id, **bounds, **arguments}
        return AggregateQuery(
            store_id=self.store_id,
            measure=measure,
            arguments=AggregateArguments(**given),
            deadline=datetime.now(UTC) + timedelta(seconds=seconds),
            representation=representation,
            if_none_match=if_none_match,
        )

    async def ask(self, measure: str = "item_sum", **options: Any) -> Outcome:
        return await self.aggregator.answer(self.query(measure, **options))

    async def body(self, measure: str = "item_sum", **options: Any) -> str:
        body = (await self.ask(measure, **options)).body
        assert body is not None
        return body.decode()

    async def rows(self, measure: str = "item_sum", **options: Any) -> list[list[Any]]:
        """[period, group, value] each, values as they are written."""
        answer = json.loads(
            await self.body(measure, **options), parse_float=Decimal, parse_int=Decimal
        )
        return [[row["period"], row["group"], row["value"]] for row in answer["count"]]


_keys = itertools.count(1)


async def add_items(database: Database, register: Register, rows: Sequence[Row]) -> None:
    """Write items past the recorder, and move the register's version as it does."""
    width = max((len(row) - 2 for row in rows), default=0)
    columns = ["store_id", "register_id", "version", "unique_key", "originated_at", "amount"]
    async with database.transaction() as connection:
        version = await connection.fetchval(
            "UPDATE registers SET version = version + 1 "
            "WHERE store_id = $1 AND register_id = $2 RETURNING version",
            register.store_id,
            register.register_id,
        )
        await connection.copy_records_to_table(
            "register_items",
            columns=[*columns, *(f"meta{position}" for position in range(width))],
            records=[
                (register.store_id, register.register_id, version, str(next(_keys)), *row)
                for row in rows
            ],
        )
