"""The link to a report's file: for how long it works, under which name, and no further."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import minio.time
import pytest

from shared.objects import ObjectStore
from shared.settings import ObjectStoreSettings
from tests.component.conftest import Client
from tests.waiting import until

ASK = {
    "name": "customers",
    "datetime_start": "2010-12-01 00:00:00",
    "datetime_end": "2011-12-31 23:59:59",
}


async def _ready(client: Client) -> dict[str, Any]:
    report = await client.post("/reports", ASK, status=201)
    path = urlsplit(report["_links"]["self"]["href"]).path

    async def ready() -> dict[str, Any] | None:
        now: dict[str, Any] = await client.get(path)
        return now if now["status"] == "ready" else None

    found = await until(ready, seconds=30, what="the report")
    assert found is not None
    return found


async def _status(url: str) -> int:
    async with aiohttp.ClientSession() as anybody, anybody.get(url) as response:
        return response.status


async def test_a_link_works_for_ten_minutes(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by the gateway when its clock was so far behind: the store's own clock decides."""
    path = urlsplit((await _ready(client))["_links"]["self"]["href"]).path
    statuses = {}
    for age in (0, 590, 610):
        behind = timedelta(seconds=age)
        monkeypatch.setattr(minio.time, "utcnow", lambda behind=behind: datetime.now(UTC) - behind)
        for source in (path, "/reports?status=ready"):
            response, body = await client.call("GET", source, status=200)
            assert response.headers["Cache-Control"] == "private, no-store"
            report = body["_embedded"]["fx:reports"][0] if "_embedded" in body else body
            url = report["_links"]["fx:download_url"]["href"]
            statuses[age, source == path] = await _status(url)
        monkeypatch.undo()
    assert statuses == {
        (0, True): 200, (0, False): 200,
        (590, True): 200, (590, False): 200,
        (610, True): 403, (610, False): 403,
    }  # fmt: skip


async def test_the_store_itself_lets_a_link_expire(
    client: Client, object_store_settings: ObjectStoreSettings
) -> None:
    report = await _ready(client)
    bucket, _, key = (
        urlsplit(report["_links"]["fx:download_url"]["href"]).path.lstrip("/").partition("/")
    )
    assert bucket == object_store_settings.bucket
    async with ObjectStore.open(object_store_settings) as objects:
        link = objects.presign(key, file_name="customers.csv", seconds=2)
    assert await _status(link) == 200

    async def expired() -> bool:
        return await _status(link) == 403

    await until(expired, seconds=30, what="the link to expire")


async def test_a_link_is_good_as_it_is_or_not_at_all(client: Client) -> None:
    report = await _ready(client)
    path = urlsplit(report["_links"]["self"]["href"]).path
    link = report["_links"]["fx:download_url"]["href"]
    for altered in (
        link.replace("X-Amz-Expires=600", "X-Amz-Expires=6000"),
        link.replace("customers_report", "complete_report"),
        re.sub(r"/store_\d+/", "/store_1/", link),
        re.sub(r"(X-Amz-Signature=)(.)", lambda m: m[1] + ("0" if m[2] != "0" else "1"), link),
        re.sub(r"&X-Amz-Signature=.*", "", link),
        link.partition("?")[0],
    ):
        assert altered != link
        # Without any signature it is not even a request that some stores understand.
        assert await _status(altered) in (400, 401, 403), altered
    async with aiohttp.ClientSession() as anybody, anybody.get(link) as response:
        assert response.status == 200
        disposition = response.headers["Content-Disposition"]
        assert response.content_type == "text/csv"
        body = await response.read()
    # The number is the moment at which it became ready, which is when it was last modified.
    name = report["download"]["name"]
    assert disposition == f'attachment; filename="{name}"'
    milliseconds = re.fullmatch(r"customers_report\.(\d+)\.csv", name)
    assert milliseconds is not None
    modified = datetime.strptime(report["date_modified"], "%Y-%m-%dT%H:%M:%S%z")
    assert int(milliseconds[1]) // 1000 == modified.timestamp()
    assert len(body) == report["download"]["bytes"]

    async def another() -> bool:
        again = await client.get(path)
        return bool(again["_links"]["fx:download_url"]["href"] != link)

    # A signature has seconds in it: within one of them it is the same.
    await until(another, seconds=5, what="a new link")
    # Nothing else that can be kept has one.
    for source in (f"{path}/events", "/reports?status=ready"):
        response, body = await client.call("GET", source, status=200)
        assert response.headers["Cache-Control"].startswith("private, no-store")
    posted = await client.post("/reports", ASK, status=201)
    assert "fx:download_url" not in posted["_links"]


async def test_a_removed_report_takes_its_file_along(client: Client) -> None:
    report = await _ready(client)
    link = report["_links"]["fx:download_url"]["href"]
    assert await _status(link) == 200
    await client.call("DELETE", urlsplit(report["_links"]["self"]["href"]).path, status=204)
    assert await _status(link) == 404
