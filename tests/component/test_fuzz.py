"""Hostile requests, byte for byte: each is refused as the document says, in its path's family.

They go over a bare socket, because a client library would not send most of them.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from yarl import URL

from services.gateway.openapi.document import document
from tests.component.conftest import Client, MakeClient

DOCUMENT = document()
REGISTRY: Registry[Any] = Registry().with_resource(
    "urn:document", Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
)
ANSWER_SECONDS = 30.0
BOMB = gzip.compress(b" " * 50_000_000 + b"<")
FORM = "application/x-www-form-urlencoded"
RANGE = '"start_at":"2024-01-01T00:00:00Z","end_at":"2024-12-31T00:00:00Z"'
# (method, path of the document, path to send; {id} is a register of the caller's)
BODIES = [
    ("POST", "/reports", "/reports"),
    ("POST", "/reports/item_sum", "/reports/item_sum"),
    ("POST", "/registers", "/registers"),
    ("PATCH", "/registers/{id}", "/registers/{id}"),
    ("POST", "/registers/{id}/items", "/registers/{id}/items"),
    ("POST", "/registers/{id}/items/void", "/registers/{id}/items/void"),
    ("POST", "/customers", "/customers"),
    ("POST", "/transactions", "/transactions"),
    ("POST", "/subscriptions", "/subscriptions"),
]


@dataclass(frozen=True)
class Answer:
    """What came back: `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]


class Socket:
    """Sends bytes as a caller of the test's store, and reads one answer."""

    def __init__(self, base_url: str, token: str, register_id: int = 0) -> None:
        self._address = URL(base_url)
        self._token = token
        self._register_id = register_id

    async def send(
        self,
        method: str,
        path: str,
        body: bytes = b"{}",
        *,
        content_type: str = "application/json",
        length: str | None = None,
        **headers: str,
    ) -> Answer:
        path = path.replace("{id}", str(self._register_id))
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._address.authority}",
            f"Authorization: Bearer {self._token}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body) if length is None else length}",
            "Connection: close",
            *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        ]
        return await self._exchange("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    async def _exchange(self, request: bytes) -> Answer:
        reader, writer = await asyncio.open_connection(self._address.host, self._address.port)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip()
                first, *rest = head.split("\r\n")
                pairs = (line.partition(":") for line in rest)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                # Not until the end of the line: after a refusal the rest of the body is awaited.
                body = await reader.readexactly(int(headers["content-length"]))
        finally:
            writer.close()
        return Answer(int(first.split()[1]), headers, body)


@pytest.fixture
async def socket(base_url: str, client: Client) -> Socket:
    made = await client.post("/registers", {"name": "Hostile", "meta": ["account"]}, status=201)
    return Socket(base_url, client.token, made["id"])


def refusal_problem(method: str, path: str, answer: Answer) -> str | None:
    """None, or why this answer is no refusal that the document knows for the call."""
    shown = f"{method} {path}: {answer.status} {answer.media_type} {answer.body[:200]!r}"
    if not 400 <= answer.status < 500:
        return f"not refused: {shown}"
    response = DOCUMENT["paths"][path][method.lower()]["responses"].get(str(answer.status))
    if response is None:
        return f"status not documented: {shown}"
    name = response["$ref"].rpartition("/")[2]
    content = DOCUMENT["components"]["responses"][name]["content"].get(answer.media_type)
    if content is None:
        return f"another family: {shown}"
    schema = {"$ref": f"urn:document{content['schema']['$ref']}"}
    for error in Draft202012Validator(schema, registry=REGISTRY).iter_errors(
        json.loads(answer.body)
    ):
        return f"{error.message}: {shown}"
    return None


def _bodies() -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """(name, body, how it is sent), each of which is wrong for every call that takes a body."""
    yield "nothing", b"", {}
    yield "100,000 brackets", b"[" * 100_000, {}
    yield "a deep record", b'[{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}]", {}
    yield "a deep value", b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}
    yield "deep objects", b'{"name":' * 100_000, {}
    yield "just not too deep", b'{"timezone":' + b"[" * 199 + b"]" * 199 + b',"name":1}', {}
    yield "no UTF-8", b'{"name":"\xff\xfe"}', {}
    yield "a record that is no UTF-8", b'[{"name":"\xff\xfe"}]', {}
    yield "an encoded surrogate", b'[{"id":"\xed\xa0\x80"}]', {}
    yield "a lone surrogate", b'{"name":"\\ud800","unique_key":"\\ud800","version":"\\ud800"}', {}
    yield "a record with a surrogate", b'[{"id":"\\ud800","unique_key":"\\ud800"}]', {}
    yield "NUL", b'{"name":"a\\u0000","unique_key":"a\\u0000","timezone":"\\u0000"}', {}
    yield "a record with NUL", b'[{"id":"a\\u0000","unique_key":"a\\u0000"}]', {}
    yield "bare NULs", b"\x00" * 1_000, {}
    yield "keys twice", b'{"name":"a","unique_key":"a","name":1,"unique_key":1}', {}
    yield "records with keys twice", b'[{"id":"a","unique_key":"a","id":1,"unique_key":[]}]', {}
    yield "5,000 digits", b'{"name":' + b"9" * 5_000 + b',"unique_key":1}', {}
    yield "an endless exponent", b'{"name":1e999999999999999999999,"unique_key":1}', {}
    yield "not a number", b'{"name":NaN,"unique_key":Infinity}', {}
    labels = dict.fromkeys(map(str, range(5_000)), "x")
    yield "5,000 labels", json.dumps({"name": 1, "meta": labels}).encode(), {}
    yield "XML", b"<!DOCTYPE a><a/>", {"content_type": "application/xml"}
    yield "a nameless type", b"<", {"content_type": "\xff\xfe;;=="}
    yield "too long", b" " * 2_000_000 + b"<", {}
    yield "a gzip bomb", BOMB, {"Content_Encoding": "gzip"}
    yield "half a gzip", gzip.compress(b'["name"]' * 100)[:25], {"Content_Encoding": "gzip"}
    yield "an encoding of no name", b"\x01\x02", {"Content_Encoding": "nonsense"}


@pytest.mark.parametrize(("method", "path", "sent_to"), BODIES)
async def test_hostile_bodies_are_refused_as_documented(
    socket: Socket, method: str, path: str, sent_to: str
) -> None:
    problems = []
    for name, body, how in _bodies():
        answer = await socket.send(method, sent_to, body, **how)
        problem = refusal_problem(method, path, answer)
        if problem:
            problems.append(f"{name}: {problem}")
    assert problems == []


@pytest.mark.parametrize(("method", "path", "sent_to"), BODIES)
async def test_a_length_beyond_reason_is_refused_before_a_body_comes(
    socket: Socket, method: str, path: str, sent_to: str
) -> None:
    for length in ("99999999999999999999", "-1", "many", "2\r\nContent-Length: 3"):
        answer = await socket.send(method, sent_to, b"", length=length)
        assert (answer.status, answer.media_type) == (400, "application/json"), length
    if DOCUMENT["paths"][path][method.lower()]["responses"]["413"]["$ref"].endswith("records413"):
        return  # of any length: such a body is read as it comes
    answer = await socket.send(method, sent_to, b"", length="999999999999")
    assert refusal_problem(method, path, answer) is None
    assert answer.status == 413


LINE = '{"unique_key":"n","amount":%s,"originated_at":"2024-01-15T12:00:00Z"}'
AMOUNTS = (
    "1e400", "1e-400", "1e999999999", "9" * 100, "9" * 5_000, "true", "NaN", "-Infinity",
    '"NaN"', '"Infinity"', '"0x10"', '""', "[]", "{}", '"1e99999999999999999999999"',
)  # fmt: skip


@pytest.mark.parametrize("amount", AMOUNTS)
async def test_numbers_beyond_reason_are_refused(socket: Socket, amount: str) -> None:
    path = "/registers/{id}/items"
    line = LINE % amount
    rows = f"unique_key,amount,originated_at\nn,{amount.strip(chr(34))},2024-01-15T12:00:00Z\n"
    for content_type, body in (
        ("application/json", f"[{line}]"),
        ("application/x-ndjson", line),
        ("text/csv", rows),
    ):
        answer = await socket.send("POST", path, body.encode(), content_type=content_type)
        assert refusal_problem("POST", path, answer) is None, content_type


async def test_csv_that_is_none_is_refused(socket: Socket) -> None:
    path = "/registers/{id}/items"
    header = b"unique_key,amount,originated_at"
    for rows in (
        b"\x00" * 100,
        b'"' * 1_001,
        b"\xff\xfeu\x00",
        header + b",amount\n",
        header + b"\nonly one cell\n",
        header + b'\n"a\x00b",1,2024-01-15T12:00:00Z\n',
        header + b"\nk,1,yesterday\n",
        header + b"," + b"x" * 200_000 + b"\n",
    ):
        answer = await socket.send("POST", path, rows, content_type="text/csv")
        assert refusal_problem("POST", path, answer) is None, rows[:50]


async def test_forms_that_are_none_are_refused(socket: Socket) -> None:
    for form in (b"&".join(b"a%d=1" % n for n in range(500)), b"name=\xff", b"self=1&cls=2", b"%"):
        answer = await socket.send("POST", "/reports", form, content_type=FORM)
        assert refusal_problem("POST", "/reports", answer) is None, form[:20]


@pytest.mark.parametrize("name", ["reports", "report", "registers", "users"])
async def test_ids_that_no_row_has_do_not_exist(socket: Socket, name: str) -> None:
    path = f"/{name}/{{id}}"
    for path_id in ("9" * 18, "9" * 19, "9" * 30, "9" * 4_000, "0", "000000000000000000000"):
        answer = await socket.send("GET", f"/{name}/{path_id}", b"")
        assert refusal_problem("GET", path, answer) is None, path_id
        assert answer.status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/registers/1%2Fitems", "/registers/%00", "/registers/-1", "/registers/%D9%A1",
        "/registers/%C2%B2", "//registers", "/registers/", "/REGISTERS", "/registers/1//items",
        "/registers/../healthz", "/users/%D9%A1", "/report/%C2%B2", "/rels/%00", "/rels/%2e%2e%2f",
        "/rels/" + "x" * 5_000, "/" + "x/" * 3_000,
    ],
)  # fmt: skip
async def test_paths_that_lead_nowhere(socket: Socket, path: str) -> None:
    answer = await socket.send("GET", path, b"")
    assert answer.status == 404
    is_hal = re.match("/(reports?|users|rels)/", path) is not None
    assert answer.media_type == ("application/hal+json" if is_hal else "application/json")
    assert ("fx:errors" if is_hal else "error") in answer.body.decode()


@pytest.mark.parametrize("value", ["", "-1", "1.0", "%D9%A1", "%00", "9" * 5_000, "0" * 18 + "9"])
async def test_pages_that_are_none(socket: Socket, value: str) -> None:
    for name in ("limit", "offset"):
        answer = await socket.send("GET", f"/registers?{name}={value}", b"")
        assert refusal_problem("GET", "/registers", answer) is None
        assert answer.status == 422


@pytest.mark.parametrize("measure", ["item_median", "%00", "a%0d%0aX-Evil:1", "%ff", "x" * 5_000])
async def test_measures_that_there_are_none_of(socket: Socket, measure: str) -> None:
    body = f'{{"register_id":1,{RANGE}}}'.encode()
    answer = await socket.send("POST", f"/reports/{measure}", body)
    assert refusal_problem("POST", "/reports/item_sum", answer) is None
    assert "unpermitted report: " in json.loads(answer.body)["error"]
    assert "x-evil" not in answer.headers


@pytest.mark.parametrize("value", ["\xe9", "\xff" * 10, "a\tb", " ", "", "x" * 256, "\xa0"])
async def test_idempotency_keys_that_are_none(socket: Socket, value: str) -> None:
    body = (
        b'{"name":"customers","datetime_start":"2022-01-01 00:00:00",'
        b'"datetime_end":"2022-01-31 23:59:59"}'
    )
    answer = await socket.send("POST", "/reports", body, Idempotency_Key=value)
    assert refusal_problem("POST", "/reports", answer) is None
    assert answer.status == 422


@pytest.mark.parametrize("name", ["Idempotency_Key", "X_Request_Id", "Tallyport_Store"])
@pytest.mark.parametrize("value", ["a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00", "a\x7f", "x" * 9_000])
async def test_a_header_that_is_none_is_no_request(socket: Socket, name: str, value: str) -> None:
    headers: dict[str, Any] = {name: value}
    answer = await socket.send("POST", "/reports", **headers)
    assert (answer.status, answer.media_type) == (400, "application/json")
    assert "x-evil" not in answer.headers


async def test_what_a_caller_sends_comes_back_in_no_other_header(socket: Socket) -> None:
    answer = await socket.send("GET", "/registers", b"", X_Request_Id="a\r\nX-Evil: 1")
    assert answer.status == 200
    assert "x-evil" not in answer.headers


async def test_an_etag_that_is_no_text_is_none_of_ours(socket: Socket, client: Client) -> None:
    registers = (await client.get("/registers"))["registers"]
    body = f'{{"register_id":{registers[0]["id"]},{RANGE}}}'.encode()
    for etag in ("\xe9", "\xff" * 100, "*x", '"' * 100, "x" * 8_000):
        answer = await socket.send("POST", "/reports/item_sum", body, If_None_Match=etag)
        assert answer.status == 200


@pytest.mark.parametrize("value", ["-9223372036854775809", "-1", "9223372036854775808", "1.0"])
async def test_registers_that_a_service_token_makes_up(
    base_url: str, make_client: MakeClient, value: str
) -> None:
    service = await make_client(None)
    body = f'{{"register_id":{value},{RANGE}}}'.encode()
    answer = await Socket(base_url, service.token).send("POST", "/reports/item_sum", body)
    assert refusal_problem("POST", "/reports/item_sum", answer) is None


@pytest.mark.parametrize(("method", "path", "sent_to"), BODIES)
async def test_a_body_that_is_not_encoded_as_it_says_is_malformed(
    socket: Socket, method: str, path: str, sent_to: str
) -> None:
    answer = await socket.send(method, sent_to, b"no gzip at all", Content_Encoding="gzip")
    assert refusal_problem(method, path, answer) is None


async def test_an_exponent_that_no_decimal_has_is_malformed(socket: Socket) -> None:
    path = "/registers/{id}/items"
    body = f"[{LINE % '1e99999999999999999999999'}]".encode()
    assert refusal_problem("POST", path, await socket.send("POST", path, body)) is None


@pytest.mark.parametrize("measure", ["%C2%B2", "%D9%A1", "item_sum%2F..", "%2F"])
async def test_a_measure_of_strange_characters_is_refused_as_one(
    socket: Socket, measure: str
) -> None:
    answer = await socket.send("POST", f"/reports/{measure}", b"<")
    assert refusal_problem("POST", "/reports/item_sum", answer) is None


async def test_a_name_of_the_call_that_cannot_be_sent_back_is_replaced(socket: Socket) -> None:
    answer = await socket.send("GET", "/registers", b"", X_Request_Id="\xe9")
    assert answer.headers["x-request-id"]
