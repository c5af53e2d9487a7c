"""A file is saved whole and as promised, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tallyport_client import AsyncClient, DamagedFileError, Report, UnreachableError
from tests.answering import Service

CONTENT = b"id,email\r\n" * 1_000


class Reports:
    """A report whose first `expired` links do not work any more."""

    def __init__(self, service: Service, expired: int = 0) -> None:
        self.expired = expired
        self.links = 0
        self.sent = CONTENT
        self._service = service
        service.respond = self.respond

    def resource(self) -> dict[str, Any]:
        self.links += 1
        return {
            "_links": {
                "self": {"href": f"{self._service.url}/report/5"},
                "fx:download_url": {"href": f"{self._service.url}/bucket/{self.links}"},
            },
            "name": "customers",
            "format": "csv",
            "progress": {"stage": "done", "rows_written": 1_000},
            "status": "ready",
            "download": {
                "name": "customers_report.1.csv",
                "bytes": len(CONTENT),
                "sha256": hashlib.sha256(CONTENT).hexdigest(),
            },
        }

    async def respond(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/reports/"):
            return web.json_response(self.resource())
        assert "Authorization" not in request.headers, "our token is none of the store's business"
        if int(request.path.rpartition("/")[2]) <= self.expired:
            return web.Response(status=403)
        return web.Response(body=self.sent)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def fetch(client: AsyncClient, reports: Reports, target: Path) -> int:
    seen: list[int] = []
    await client.reports.download(Report.of(reports.resource()), target, advance=seen.append)
    return sum(seen)


async def test_into_a_folder_under_the_services_name(
    client: AsyncClient, service: Service, tmp_path: Path
) -> None:
    assert await fetch(client, Reports(service), tmp_path) == len(CONTENT)
    assert contents(tmp_path) == {"customers_report.1.csv": CONTENT}


async def test_an_expired_link_is_replaced(
    client: AsyncClient, service: Service, tmp_path: Path
) -> None:
    await fetch(client, Reports(service, expired=2), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == CONTENT


async def test_but_not_for_ever(client: AsyncClient, service: Service, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="403"):
        await fetch(client, Reports(service, expired=1_000), tmp_path / "out.csv")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("sent", [CONTENT[:-1], CONTENT[:-1] + b"x"], ids=["bytes", "checksum"])
async def test_a_wrong_file_leaves_the_old_one_alone(
    client: AsyncClient, service: Service, tmp_path: Path, sent: bytes
) -> None:
    reports = Reports(service)
    reports.sent = sent
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")
    with pytest.raises(DamagedFileError, match=r"promised|SHA-256"):
        await fetch(client, reports, target)
    assert contents(tmp_path) == {"out.csv": b"old"}


async def test_a_folder_that_is_not_there(
    client: AsyncClient, service: Service, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        await fetch(client, Reports(service), tmp_path / "no" / "out.csv")


class Cut(Reports):
    """The first connection breaks in the middle; `ranges` says what was asked for after that."""

    def __init__(self, service: Service, *, knows_ranges: bool, changes: bool = False) -> None:
        super().__init__(service)
        self.ranges: list[tuple[str | None, str | None]] = []
        self._knows_ranges = knows_ranges
        self._changes = changes

    async def respond(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/reports/"):
            return web.json_response(self.resource())
        self.ranges.append((request.headers.get("Range"), request.headers.get("If-Range")))
        content, headers = self.sent, {"ETag": '"one"'}
        if len(self.ranges) == 1:
            response = web.StreamResponse(headers=headers)
            response.content_length = len(content)
            await response.prepare(request)
            await response.write(content[:4_000])
            assert request.transport is not None
            request.transport.close()  # what was written goes out first
            return response
        if self._changes:
            return web.Response(body=content[::-1], headers={"ETag": '"two"'})
        if not self._knows_ranges:
            return web.Response(body=content, headers=headers)
        start = int(str(request.headers["Range"]).removeprefix("bytes=").rstrip("-"))
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return web.Response(status=206, body=content[start:], headers=headers)


@pytest.mark.parametrize("knows_ranges", [True, False])
async def test_it_goes_on_where_it_was_cut(
    client: AsyncClient, service: Service, tmp_path: Path, knows_ranges: bool
) -> None:
    reports = Cut(service, knows_ranges=knows_ranges)
    # Every byte is counted once, also where a store sends all of it again.
    assert await fetch(client, reports, tmp_path / "out.csv") == len(CONTENT)
    assert reports.ranges == [(None, None), ("bytes=4000-", '"one"')]
    assert contents(tmp_path) == {"out.csv": CONTENT}


async def test_what_changes_on_the_way_is_not_put_together(
    client: AsyncClient, service: Service, tmp_path: Path
) -> None:
    reports = Cut(service, knows_ranges=True, changes=True)
    with pytest.raises(DamagedFileError, match="has changed"):
        await fetch(client, reports, tmp_path / "out.csv")
    assert contents(tmp_path) == {}
