"""`traceparent` of a request goes on with what is asked for, without anybody who collects spans."""

from __future__ import annotations

import pytest

from shared.database.accounts import Store
from shared.database.pool import Database
from tests.component.conftest import Client

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ANOTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ASK = {
    "name": "customers",
    "datetime_start": "2010-12-01 00:00:00",
    "datetime_end": "2011-12-31 23:59:59",
}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [([TRACE], TRACE), (["garbage"], None), ([TRACE, ANOTHER], None), ([], None)],
)
async def test_a_report_is_of_its_request_s_trace(
    sent: list[str], kept: str | None, client: Client, store: Store, database: Database
) -> None:
    headers = [("traceparent", one) for one in sent]
    _, report = await client.call("POST", "/reports", status=201, json=ASK, headers=headers)
    async with database.acquire(store_id=store.store_id) as connection:
        found = await connection.fetchval(
            "SELECT traceparent FROM reports WHERE store_id = $1 AND report_id = $2",
            store.store_id,
            int(report["_links"]["self"]["href"].rpartition("/")[2]),
        )
    assert found == kept
