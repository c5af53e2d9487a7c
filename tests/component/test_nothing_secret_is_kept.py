"""What a caller may see once, nobody finds in the database or beside an object.

The hook behind this suite looks through the tables once more, after all that its tests have done
(`tests/worlds.py`); here is a story with everything that is secret in it, and a look that finds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import urllib3
from minio import Minio

from shared.database.accounts import Store
from shared.database.pool import Connection
from shared.settings import ObjectStoreSettings
from tests.component.conftest import Client
from tests.engines import EnginesUnderTest
from tests.integration.report_worker.seeding import add_customers
from tests.redaction import kept, logs
from tests.waiting import until

REPORT = {
    "name": "customers",
    "datetime_start": "2020-01-01 00:00:00",
    "datetime_end": "2030-01-01 00:00:00",
}
TOKEN = "tp_0123456789abcdefghijABCDEFGHIJ-_klmnopqrstu"
PASSWORD = "100%_hunter2"
LINK = "http://files/x.csv?X-Amz-Credential=a&X-Amz-Signature=" + "0f" * 32


@pytest.fixture
async def superuser(world: EnginesUnderTest) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(world.database_url)
    yield connection
    await connection.close()


async def test_a_report_leaves_no_secret_behind(
    client: Client,
    database: object,
    store: Store,
    superuser: Connection,
    object_store_settings: ObjectStoreSettings,
) -> None:
    await add_customers(database, store.store_id, 3)  # type: ignore[arg-type]
    ask = {"json": REPORT, "headers": {"Idempotency-Key": f"january-{store.store_id}"}}
    response, _ = await client.call("POST", "/reports", status=201, **ask)
    path = "/report/" + response.headers["Location"].rpartition("/")[2]

    async def link() -> str | None:
        links = (await client.get(path))["_links"]
        return str(links["fx:download_url"]["href"]) if "fx:download_url" in links else None

    signed = await until(link, seconds=60, what="a link")
    assert signed is not None
    assert logs.faults(signed), "what is looked for has another shape by now"
    assert client.token in logs.secrets
    # The answer to the same request again is remembered, and it has no link of that time.
    _, again = await client.call("POST", "/reports", status=201, **ask)
    assert "X-Amz-Signature" not in str(again)
    assert await kept(superuser) == []
    told = await asyncio.to_thread(_beside_objects, object_store_settings, store.store_id)
    assert told, "there is no object"
    assert [fault for text in told for fault in logs.faults(text)] == []


def _beside_objects(settings: ObjectStoreSettings, store_id: int) -> list[str]:
    """Names, metadata and tags of a store's objects, as the object store tells them."""
    client = Minio(
        settings.url.partition("//")[2],
        settings.access_key,
        settings.secret_key.get_secret_value(),
        secure=False,
        region=settings.region,
        http_client=urllib3.PoolManager(timeout=urllib3.Timeout(connect=2, read=30)),
    )
    found = []
    for listed in client.list_objects(settings.bucket, f"store_{store_id}/", recursive=True):
        assert listed.object_name is not None
        stat = client.stat_object(settings.bucket, listed.object_name)
        found.append(f"{listed.object_name} {stat.etag} {dict(stat.metadata or {})}")
    return found


@pytest.mark.parametrize(
    "secret", [TOKEN, LINK, "amqp://gateway:hunter2hunter2@127.0.0.1/", PASSWORD]
)
@pytest.mark.parametrize(
    "where",
    [
        ("stores", "name = $2"),
        ("registers", "meta = jsonb_build_object('meta0', $2::text)"),
        ("idempotency_keys", "body = convert_to($2, 'UTF8')"),
    ],
    ids=["text", "json", "bytes"],
)
async def test_a_secret_in_a_table_is_found(
    client: Client, store: Store, superuser: Connection, where: tuple[str, str], secret: str
) -> None:
    await client.post("/registers", {"name": "r", "meta": ["account"]}, status=201)
    await client.post("/reports", REPORT, status=201, headers={"Idempotency-Key": "k"})
    table, change = where
    if secret == PASSWORD:  # it has no shape
        logs.learn(secret)
    transaction = superuser.transaction()
    await transaction.start()
    try:
        statement = f"UPDATE {table} SET {change} WHERE store_id = $1"  # noqa: S608
        status = await superuser.execute(statement, store.store_id, secret)
        assert status.endswith(" 1")
        # The large ones, which the suite's other tests have filled, take seconds.
        (found,) = await kept(superuser, only=f"public.{table}")
        assert secret[:20] in found
    finally:
        await transaction.rollback()
