"""Everything that can be asked, with the ids of another store: as if there were no such thing.

The calls are those of the OpenAPI document and the messages those of the AsyncAPI document: one
that has no entry here fails a test.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import astuple, dataclass
from typing import Any

import pytest

from services.gateway.asyncapi import document as asyncapi
from services.gateway.openapi.document import document as openapi
from shared.contracts.message import Message
from shared.contracts.routes import ROUTES
from shared.database.accounts import Scope, Store
from shared.database.pool import Database
from shared.errors import TallyportError
from shared.messaging.connection import Broker
from shared.messaging.publisher import Publisher
from shared.messaging.rpc_client import RpcClient
from shared.settings import BrokerSettings
from tests.component.conftest import Client, MakeClient
from tests.waiting import until

SECONDS = 30.0
MARK = "mark-of-b"
UNKNOWN = 777_000_000_000
RANGE = {"start_at": "2024-01-01T00:00:00Z", "end_at": "2024-12-31T00:00:00Z"}
ITEM = {"unique_key": "k", "amount": "1", "originated_at": "2024-01-01T00:00:00Z"}
CUSTOMER = {"id": MARK, "email": f"{MARK}@example.com", "date_created": "2024-01-01T00:00:00Z"}
TRANSACTION = {
    "id": MARK,
    "customer_id": MARK,
    "transaction_date": "2024-01-01T00:00:00Z",
    "type": "sale",
    "items": [{"sku": MARK, "quantity": 1, "price": "7.77"}],
}
SUBSCRIPTION = {
    "id": MARK,
    "customer_id": MARK,
    "sku": MARK,
    "quantity": 1,
    "price": "1",
    "frequency": "1m",
    "start_date": "2024-01-01",
    "next_transaction_date": "2024-02-01",
}
REPORT = {
    "name": "customers",
    "datetime_start": "2024-01-01 00:00:00",
    "datetime_end": "2024-12-31 00:00:00",
}
_ids = itertools.count(1, 1_000)


@dataclass(frozen=True)
class Ids:
    """What B has: a register, a report, a user."""

    register: int
    report: int
    user: int

    @classmethod
    def unknown(cls) -> Ids:
        return cls(UNKNOWN, UNKNOWN, UNKNOWN)


@dataclass(frozen=True)
class Call:
    """What is sent, and what comes back whoever's it is. `own`: it names nothing of anybody."""

    status: int
    id: str = ""
    body: Callable[[Ids], Any] | None = None
    own: bool = False


def _numbers_of(ids: Ids) -> dict[str, Any]:
    return {"register_id": ids.register, **RANGE}


_REGISTER, _REPORT = Call(404, "register"), Call(404, "report")
_COUNT = Call(422, body=_numbers_of)
# By the document's own names. HEAD is asked as GET is.
CALLS = {
    "GET /store": Call(200, own=True),
    "GET /users/{id}": Call(404, "user"),
    "GET /reports": Call(200, own=True),
    "POST /reports": Call(201, body=lambda _: REPORT, own=True),
    "OPTIONS /reports": Call(200, own=True),
    **{
        f"{method} {path}": _REPORT
        for path in ("/reports/{id}", "/report/{id}")
        for method in ("GET", "DELETE")
    },
    "OPTIONS /reports/{id}": Call(200, "report"),
    "OPTIONS /report/{id}": Call(200, "report"),
    "GET /reports/{id}/events": _REPORT,
    "GET /report/{id}/events": _REPORT,
    "POST /reports/item_count": _COUNT,
    "POST /reports/item_sum": _COUNT,
    "POST /reports/item_average": _COUNT,
    "POST /reports/query": Call(422, body=lambda i: {**_numbers_of(i), "measures": ["count"]}),
    "POST /registers": Call(201, body=lambda _: {"name": "mine"}, own=True),
    "GET /registers": Call(200, own=True),
    "GET /registers/{id}": _REGISTER,
    "PATCH /registers/{id}": Call(404, "register", lambda _: {"name": "taken over"}),
    "GET /registers/{id}/items": _REGISTER,
    "POST /registers/{id}/items": Call(404, "register", lambda _: [ITEM]),
    "POST /registers/{id}/items/void": Call(404, "register", lambda _: {"unique_key": MARK}),
    "GET /registers/{id}/dimensions": _REGISTER,
    "GET /registers/{id}/dimensions/{label}": _REGISTER,
    # The ids of these are a store's own: the same ones are other records.
    "POST /customers": Call(200, body=lambda _: [{**CUSTOMER, "email": "a@example.com"}], own=True),
    "POST /transactions": Call(200, body=lambda _: [{**TRANSACTION, "items": []}], own=True),
    "POST /subscriptions": Call(200, body=lambda _: [{**SUBSCRIPTION, "sku": "a"}], own=True),
}
PARAMETERS = {"label": MARK}


def documented_calls() -> set[str]:
    return {
        f"{method.upper()} {path}"
        for path, operations in openapi()["paths"].items()
        for method, operation in operations.items()
        if operation["security"]
    }


class Other:
    """Store B, and a caller of it who knows its own ids."""

    def __init__(self, client: Client, store: Store, ids: Ids) -> None:
        self.client = client
        self.store = store
        self.ids = ids


@pytest.fixture(scope="module")
async def broker(base_url: str, broker_settings: BrokerSettings) -> AsyncIterator[Broker]:
    async with Broker.open(broker_settings, "a producer") as opened:
        yield opened


@pytest.fixture(scope="module")
async def rpc(broker: Broker) -> AsyncIterator[RpcClient]:
    client = RpcClient(broker)
    await client.start()
    yield client
    await client.stop()


@pytest.fixture
async def b(make_client: MakeClient, database: Database) -> Other:
    """Something of everything, all of it marked."""
    async with database.acquire() as connection:
        # Numbers that stand for nothing else in an answer.
        for table, column in (("registers", "register_id"), ("reports", "report_id")):
            sequence = f"pg_get_serial_sequence('{table}', '{column}')"
            await connection.execute(f"SELECT setval({sequence}, $1)", 555_000_000 + next(_ids))
        for table, column in (("stores", "store_id"), ("users", "user_id")):
            sequence = f"pg_get_serial_sequence('{table}', '{column}')"
            await connection.execute(f"SELECT setval({sequence}, $1)", 444_000_000 + next(_ids))
        store = Store(
            **await connection.fetchrow(
                "INSERT INTO stores (name, timezone, currency, currency_digits) "
                "VALUES ($1, 'Asia/Tokyo', 'JPY', 0) "
                "RETURNING store_id, name, timezone, currency, currency_digits",
                f"{MARK} store",
            )
        )
    client = await make_client(store)
    register = await client.post("/registers", {"name": MARK, "meta": [MARK]}, 201)
    item = {**ITEM, "unique_key": MARK, "meta": {MARK: MARK}}
    await client.post(f"/registers/{register['id']}/items", [item])
    await client.post("/customers", [CUSTOMER])
    await client.post("/transactions", [TRANSACTION])
    await client.post("/subscriptions", [SUBSCRIPTION])
    report = await client.post("/reports", REPORT, 201)
    path = report["_links"]["self"]["href"].rpartition("/")[2]

    async def is_ready() -> bool:
        return bool((await client.get(f"/reports/{path}"))["status"] == "ready")

    await until(is_ready, seconds=SECONDS, what="the report of B")
    async with database.acquire() as connection:
        user_id = await connection.fetchval(
            "SELECT user_id FROM memberships WHERE store_id = $1", store.store_id
        )
    return Other(client, store, Ids(register["id"], int(path), user_id))


@pytest.fixture(params=["a user of A", "a service token for A"])
async def a(request: pytest.FixtureRequest, make_client: MakeClient, store: Store) -> Client:
    if request.param == "a user of A":
        return await make_client(store, *Scope)
    return await make_client(None, *Scope, headers={"Tallyport-Store": str(store.store_id)})


def test_every_call_of_the_document_is_here() -> None:
    asked = {*CALLS} | {f"HEAD {name[4:]}" for name in CALLS if name.startswith("GET ")}
    assert documented_calls() == asked


def test_every_parameter_of_a_path_is_filled() -> None:
    for name, call in CALLS.items():
        names = {*re.findall(r"\{(\w+)\}", name)} - {*PARAMETERS}
        assert names == ({"id"} if call.id else set()), name
        assert bool(call.id or call.body or call.own), name


async def test_another_store_s_ids_are_like_no_ids(a: Client, b: Other, database: Database) -> None:
    before = await rows_of(database, b.store.store_id)
    for name in sorted(documented_calls()):
        method, template = name.split()
        call = CALLS[name] if name in CALLS else CALLS[f"GET {template}"]
        theirs = await answer(a, method, template, call, b.ids)
        assert theirs.status == call.status, (name, theirs.text)
        numbers = (*astuple(b.ids), b.store.store_id)
        assert MARK not in theirs.text, name
        assert not [number for number in numbers if str(number) in theirs.text], name
        if not call.own:
            nobodys = await answer(a, method, template, call, Ids.unknown())
            assert theirs == nobodys, name
    assert await rows_of(database, b.store.store_id) == before


async def test_b_itself_is_answered(b: Other) -> None:
    """Or the test above would show nothing."""
    for name, call in CALLS.items():
        method, template = name.split()
        if call.own or method in ("DELETE", "OPTIONS"):
            continue
        if "events" in template:
            continue  # a stream, which has its own tests
        theirs = await answer(b.client, method, template, call, b.ids)
        assert theirs.status in (200, 201), (name, theirs.text)


@dataclass(frozen=True)
class Told:
    """An answer, but for what differs each time. The id asked for is taken out."""

    status: int
    text: str


async def answer(client: Client, method: str, template: str, call: Call, ids: Ids) -> Told:
    sought = getattr(ids, call.id) if call.id else ids.register
    path = template.format(id=sought, **PARAMETERS)
    options: dict[str, Any] = {} if call.body is None else {"json": call.body(ids)}
    response, body = await client.call(method, path, **options)
    text = body.decode() if isinstance(body, bytes) else json.dumps(body)
    headers = {
        name: value for name, value in response.headers.items() if name.lower() not in VARYING
    }
    shown = f"{text}\n{json.dumps(headers, sort_keys=True)}"
    shown = re.sub(rf"\b{sought}\b", "ID", shown)
    return Told(response.status, re.sub(r'"id-[0-9a-f]{16}"', '"id-"', shown))


# What headers say of this answer, or of the moment: how many requests are left grows with time.
VARYING = {"date", "x-request-id", "content-length", "server-timing", "ratelimit"}
# What moves by itself: relayed, folded.
_MOVING = ("outbox", "rollups", "rollup_rows")


async def rows_of(database: Database, store_id: int) -> dict[str, list[str]]:
    """Everything that a store has."""
    async with database.acquire() as connection:
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND column_name = 'store_id'"
        )
        return {
            table: [
                row[0]
                for row in await connection.fetch(
                    f"SELECT t::text FROM {table} t WHERE store_id = $1 ORDER BY 1",  # noqa: S608
                    store_id,
                )
            ]
            for (table,) in tables
            if table not in _MOVING
        }


# Messages -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """The fields of a message of store A that names what B has, and what its sender is told: the
    code of a failure, "" for an answer that has nothing of B, None for no answer."""

    told: str | None
    fields: Callable[[Ids], dict[str, Any]]


_LATER = {"deadline": "2999-01-01T00:00:00Z"}
_QUESTION = {**_LATER}
KINDS = {
    "report.build.v1": Sent(None, lambda i: {"report_id": i.report}),
    "rollup.request.v1": Sent(
        None, lambda i: {"register_id": i.register, "zone": "UTC", "columns": ["meta0"], "times": 9}
    ),
    "report.request.v1": Sent("not_found", lambda i: {"user_id": i.user, "arguments": REPORT}),
    "aggregate.query.v1": Sent(
        "invalid_argument",
        lambda i: {"measure": "item_sum", "arguments": _numbers_of(i), **_LATER},
    ),
    "aggregate.analysis.v1": Sent(
        "invalid_argument",
        lambda i: {"arguments": {**_numbers_of(i), "measures": ["count"]}, **_LATER},
    ),
    "aggregate.dimensions.v1": Sent("not_found", lambda i: {"register_id": i.register, **_LATER}),
    "register.create.v1": Sent("", lambda _: {"definition": {"name": "mine"}}),
    "register.update.v1": Sent(
        "not_found", lambda i: {"register_id": i.register, "change": {"name": "taken over"}}
    ),
    "record.items.v1": Sent("not_found", lambda i: {"register_id": i.register, "items": [ITEM]}),
    "record.columns.v1": Sent(
        "not_found",
        lambda i: {
            "register_id": i.register,
            "unique_keys": ["k"],
            "amounts": ["1"],
            "moments": ["2024-01-01T00:00:00Z"],
            "descriptions": [""],
            "units": [None],
            "meta": {},
        },
    ),
    "record.void.v1": Sent("not_found", lambda i: {"register_id": i.register, "unique_key": MARK}),
    "record.customers.v1": Sent("", lambda _: {"customers": [{**CUSTOMER, "email": "a@b.c"}]}),
    "record.transactions.v1": Sent("", lambda _: {"transactions": [{**TRANSACTION, "items": []}]}),
    "record.subscriptions.v1": Sent(
        "", lambda _: {"subscriptions": [{**SUBSCRIPTION, "sku": "a"}]}
    ),
}


def test_every_message_of_the_document_is_here() -> None:
    operations = asyncapi()["operations"].values()
    received = {
        message["$ref"].rpartition("/")[2]
        for operation in operations
        if operation["action"] == "receive"
        for message in operation["messages"]
    }
    assert received == {*KINDS}


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_message_about_another_store_s_things_is_about_nothing(
    kind: str, store: Store, b: Other, rpc: RpcClient, database: Database
) -> None:
    sent = KINDS[kind]
    before = await rows_of(database, b.store.store_id)
    route = ROUTES[kind]

    def message(ids: Ids) -> Message:
        return route.message.model_validate({"store_id": store.store_id, **sent.fields(ids)})

    if sent.told is None:
        await Publisher(rpc._broker).publish(message(b.ids))
        queue = route.queue.name
        await until(lambda: is_idle(rpc._broker, queue), seconds=SECONDS, what="it was taken")
    elif sent.told:
        told = []
        for ids in (b.ids, Ids.unknown()):
            with pytest.raises(TallyportError) as refused:
                await rpc.call(message(ids), deadline_seconds=SECONDS)
            assert refused.value.code.value == sent.told
            assert MARK not in refused.value.message
            sought = re.escape(str(ids.register)) + "|" + str(ids.user)
            told.append(re.sub(rf"\b({sought})\b", "ID", refused.value.message))
        assert told[0] == told[1]
    else:
        answered = await rpc.call(message(b.ids), deadline_seconds=SECONDS)
        assert MARK.encode() not in answered.body
    assert await rows_of(database, b.store.store_id) == before


async def is_idle(broker: Broker, queue: str) -> bool:
    """Nothing waits there; what was taken from it is settled or put away."""
    connection = await broker.consuming.wait_open()
    channel = await connection.channel()
    try:
        return not (await channel.queue_declare(queue, passive=True)).message_count
    finally:
        await channel.close()
