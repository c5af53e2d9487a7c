"""A report from the request to the file: accepted, built, linked, downloaded, forgotten."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import re
import zipfile
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from shared.database.pool import Database
from tests.component.conftest import Client, MakeClient
from tests.waiting import until

ASK = {
    "name": "customers",
    "datetime_start": "2010-12-01 00:00:00",
    "datetime_end": "2011-12-31 23:59:59",
}
READY_SECONDS = 30.0


async def _finished(client: Client, path: str) -> dict[str, Any]:
    async def finished() -> dict[str, Any] | None:
        report: dict[str, Any] = await client.get(path)
        return report if report["status"] != "queued" else None

    report = await until(finished, seconds=READY_SECONDS, what="the report to be finished")
    assert report is not None
    return report


async def _ask(client: Client, **changes: Any) -> tuple[str, dict[str, Any]]:
    response, report = await client.call("POST", "/reports", status=201, json={**ASK, **changes})
    location = response.headers["Location"]
    assert report["_links"]["self"]["href"] == location
    return re.sub(r"^http://[^/]+", "", location), report


def _customer(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "email": f"c{number}@example.com",
        "date_created": f"2011-01-{number:02}T10:00:00Z",
        **changes,
    }


async def test_a_report_is_asked_for_built_and_downloaded(client: Client) -> None:
    tricky = 'a "quoted", name\nover two lines'
    customers = [
        _customer(1, first_name=tricky, last_name="O'Hara"),
        _customer(2, first_name="=1+1", last_name="-5", tax_id="@x"),
        _customer(3, first_name="日本語", last_name="Ærø"),
        _customer(4, date_created="2012-01-01T00:00:00Z"),
    ]
    await client.post("/customers", customers)
    path, queued = await _ask(client)
    assert queued["status"] == "queued"
    assert "fx:download_url" not in queued["_links"]
    assert queued["datetime_start"] == "2010-12-01T00:00:00+0000"

    report = await _finished(client, path)
    assert report["status"] == "ready"
    (file,) = report["files"]
    assert file["rows"] == 3, "the range limits date_created"
    link = report["_links"]["fx:download_url"]["href"]
    async with aiohttp.ClientSession() as anybody, anybody.get(link) as response:
        assert response.status == 200
        body = await response.read()
        disposition = response.headers["Content-Disposition"]
    assert re.search(r"customers_report\.\d{13}\.csv", disposition)
    assert (len(body), hashlib.sha256(body).hexdigest()) == (file["bytes"], file["sha256"])
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["first_name"] == tricky
    assert (rows[1]["first_name"], rows[1]["last_name"]) == ("'=1+1", "'-5")
    assert rows[2]["first_name"] == "日本語"
    assert body.count(b"\r\n") == 4
    # The seed's two spellings of the path are one resource.
    assert (await client.get(path.replace("/report/", "/reports/")))["status"] == "ready"


async def test_every_look_gives_a_fresh_link_and_nothing_keeps_it(client: Client) -> None:
    path, _ = await _ask(client)
    await _finished(client, path)
    response, first = await client.call("GET", path, status=200)
    assert response.headers["Cache-Control"] == "private, no-store"
    assert "X-Amz-Expires=600" in first["_links"]["fx:download_url"]["href"]
    altered = first["_links"]["fx:download_url"]["href"].replace("customers_report", "complete")
    async with aiohttp.ClientSession() as anybody, anybody.get(altered) as refused:
        assert refused.status == 403


async def test_no_rows_is_a_success_with_a_header(client: Client) -> None:
    path, _ = await _ask(client)
    report = await _finished(client, path)
    assert report["files"][0]["rows"] == 0
    assert report["progress"]["percent"] == 100
    async with (
        aiohttp.ClientSession() as anybody,
        anybody.get(report["_links"]["fx:download_url"]["href"]) as response,
    ):
        (header,) = csv.reader([await response.text()])
    assert header[0] == "id"


async def test_the_same_key_gives_the_same_report(client: Client) -> None:
    options = {"headers": {"Idempotency-Key": "once"}, "json": ASK}
    answers = await asyncio.gather(
        *(client.call("POST", "/reports", status=201, **options) for _ in range(5))
    )
    assert len({response.headers["Location"] for response, _ in answers}) == 1
    replayed = [response.headers.get("Idempotent-Replayed") for response, _ in answers]
    assert sorted(replayed, key=str) == [None, "true", "true", "true", "true"]
    other = {**ASK, "datetime_end": "2011-06-30 00:00:00"}
    response, refused = await client.call(
        "POST", "/reports", json=other, headers={"Idempotency-Key": "once"}
    )
    assert response.status == 422
    assert "Idempotency-Key" in refused["_embedded"]["fx:errors"][0]["message"]


async def test_a_form_asks_as_well(client: Client) -> None:
    _, report = await client.call("POST", "/reports", status=201, data={**ASK, "version": "1"})
    assert (report["name"], report["version"]) == ("customers", "1")


@pytest.mark.parametrize(
    ("options", "status", "count"),
    [
        ({"json": {"name": "x"}}, 422, 3),
        ({"json": []}, 400, 1),
        ({"data": "{", "headers": {"Content-Type": "application/json"}}, 400, 1),
        ({"data": "x", "headers": {"Content-Type": "text/plain"}}, 415, 1),
        ({"json": ASK, "headers": {"Idempotency-Key": " "}}, 422, 1),
    ],
)
async def test_what_is_wrong_is_told_entry_by_entry(
    client: Client, options: dict[str, Any], status: int, count: int
) -> None:
    response, body = await client.call("POST", "/reports", status=status, **options)
    assert response.content_type == "application/hal+json"
    assert body["total"] == count == len(body["_embedded"]["fx:errors"])
    assert all(error["message"] for error in body["_embedded"]["fx:errors"])


@pytest.mark.parametrize("path", ["/reports/999999999", "/report/9999999999999999999999"])
async def test_an_unknown_report_is_not_found(client: Client, path: str) -> None:
    for method in ("GET", "DELETE", "HEAD"):
        response, _ = await client.call(method, path)
        assert response.status == 404


async def test_another_stores_report_does_not_exist(
    client: Client, make_client: MakeClient, database: Database
) -> None:
    from shared.database import accounts  # noqa: PLC0415

    path, _ = await _ask(client)
    async with database.acquire() as connection:
        other = await accounts.create_store(connection, name="O", timezone="UTC", currency="USD")
    stranger = await make_client(other)
    await stranger.get(path, status=404)
    await stranger.call("DELETE", path, status=404)
    assert (await _finished(client, path))["status"] == "ready"


async def test_methods_are_told_and_others_refused(client: Client) -> None:
    path, _ = await _ask(client)
    response, body = await client.call("OPTIONS", path, status=200)
    assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS"
    assert set(body["methods"]) == {"DELETE", "GET", "HEAD", "OPTIONS"}
    response, _ = await client.call("PUT", path, status=405)
    assert {"GET", "DELETE"} <= set(response.headers["Allow"].split(", "))
    head, nothing = await client.call("HEAD", path, status=200)
    assert nothing == b""
    assert head.content_type == "application/hal+json"


async def test_a_removed_report_is_gone(client: Client) -> None:
    path, _ = await _ask(client)
    await client.call("DELETE", path, status=204)
    await client.get(path, status=404)
    await client.call("DELETE", path, status=404)


async def test_the_links_of_a_report_lead_somewhere(client: Client) -> None:
    path, _ = await _ask(client)
    report = await _finished(client, path)
    for link in ("self", "fx:user"):
        await client.get(re.sub(r"^http://[^/]+", "", report["_links"][link]["href"]))
    (curie,) = report["_links"]["curies"]
    assert curie["templated"]
    for relation in ("user", "download_url"):
        page = await client.get(
            re.sub(r"^http://[^/]+", "", curie["href"].replace("{rel}", relation))
        )
        assert relation in page.decode()


async def test_the_collection_is_paged_ordered_and_filtered(client: Client) -> None:
    paths = [(await _ask(client))[0] for _ in range(5)]
    for path in paths:
        await _finished(client, path)

    page = await client.get("/reports?limit=2&order=date_created%20desc")
    assert (page["total_items"], page["returned_items"], page["limit"], page["offset"]) == (
        5,
        2,
        2,
        0,
    )
    seen = []
    while True:
        seen += [report["_links"]["self"]["href"] for report in page["_embedded"]["fx:reports"]]
        if "next" not in page["_links"]:
            break
        page = await client.get(re.sub(r"^http://[^/]+", "", page["_links"]["next"]["href"]))
    assert [re.sub(r"^http://[^/]+", "", href) for href in seen] == list(reversed(paths))
    assert {"self", "first", "prev", "last", "curies"} <= set(page["_links"])

    ready = await client.get("/reports?status=ready&name=customers")
    assert ready["total_items"] == 5
    assert all("fx:download_url" in report["_links"] for report in ready["_embedded"]["fx:reports"])
    assert (await client.get("/reports?status=error"))["total_items"] == 0
    assert (await client.get("/reports?date_created=..2020-01-01"))["total_items"] == 0
    assert (await client.get("/reports?date_created=2020-01-01.."))["total_items"] == 5
    response, _ = await client.call("GET", "/reports", status=200)
    assert response.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=301", "offset=-1", "status=building", "order=name", "date_created=today"],
)
async def test_a_wrong_query_is_named(client: Client, query: str) -> None:
    refused = await client.get(f"/reports?{query}", status=422)
    (error,) = refused["_embedded"]["fx:errors"]
    assert error["message"].startswith(query.partition("=")[0])


async def test_complete_adds_up_to_what_the_register_answers(client: Client) -> None:
    """Recorded, replaced, reported and asked for over HTTP: the two halves agree to the cent."""

    def sale(number: int, price: str, **more: Any) -> dict[str, Any]:
        item = {"sku": f"S{number}", "quantity": 3, "price": price}
        at = f"2011-0{number}-28T23:30:00Z"
        return {"id": number, "transaction_date": at, "items": [item], "tax": "0.10", **more}

    sales = [sale(1, "0.10"), sale(2, "19.99"), sale(3, "1000", currency="JPY", tax=0)]
    await client.post("/transactions", [*sales, sale(4, "5", is_test=True)])
    await client.post("/transactions", [sale(2, "20.01", discounts=[{"code": "X", "amount": 1}])])
    path, _ = await _ask(client, name="complete")
    report = await _finished(client, path)
    assert report["status"] == "ready", report.get("failure")
    assert report["progress"]["rows_written"] == sum(file["rows"] for file in report["files"])
    async with (
        aiohttp.ClientSession() as anybody,
        anybody.get(report["_links"]["fx:download_url"]["href"]) as response,
    ):
        assert re.search(r"complete_report\.\d{13}\.zip", response.headers["Content-Disposition"])
        archive = zipfile.ZipFile(io.BytesIO(await response.read()))
    files = [file["name"] for file in report["files"]]
    assert archive.namelist() == [*files, "manifest.json"]
    assert len(files) == 9
    manifest = json.loads(archive.read("manifest.json"), parse_float=Decimal)
    held = manifest["sales_register"]["control_totals"]

    (register,) = [one for one in (await client.get("/registers"))["registers"] if one["is_sales"]]
    question = {
        "register_id": register["id"],
        "start_at": "2010-12-01T00:00:00Z",
        "end_at": "2011-12-31T23:59:59Z",
        "timezone": "Europe/London",
        "group_by": ["currency"],
    }
    for measure, total in (("count", "lines"), ("sum", "amount")):
        _, body = await client.call("POST", f"/reports/item_{measure}", status=200, json=question)
        answer = {row["group"]: Decimal(str(row["value"])) for row in body["count"]}
        assert answer == {currency: Decimal(told[total]) for currency, told in held.items()}
    assert held["GBP"]["lines"] == 9, "two; two more with their reversals; three"
    assert (held["GBP"]["amount"], held["JPY"]["amount"]) == ("59.53", "3000")
