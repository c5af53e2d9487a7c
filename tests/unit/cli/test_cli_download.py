"""A file is saved whole and as promised, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cli.api import Api
from cli.download import download
from cli.outcomes import BadFileError, RefusedError
from tests.unit.cli.conftest import Service

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


async def fetch(api: Api, reports: Reports, target: Path) -> int:
    seen: list[int] = []
    await download(api, reports.resource(), target, seen.append)
    return sum(seen)


async def test_into_a_folder_under_the_services_name(
    api: Api, service: Service, tmp_path: Path
) -> None:
    assert await fetch(api, Reports(service), tmp_path) == len(CONTENT)
    assert contents(tmp_path) == {"customers_report.1.csv": CONTENT}


async def test_an_expired_link_is_replaced(api: Api, service: Service, tmp_path: Path) -> None:
    await fetch(api, Reports(service, expired=2), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == CONTENT


async def test_but_not_for_ever(api: Api, service: Service, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="403"):
        await fetch(api, Reports(service, expired=1_000), tmp_path / "out.csv")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("sent", [CONTENT[:-1], CONTENT[:-1] + b"x"], ids=["bytes", "checksum"])
async def test_a_wrong_file_leaves_the_old_one_alone(
    api: Api, service: Service, tmp_path: Path, sent: bytes
) -> None:
    reports = Reports(service)
    reports.sent = sent
    target = tmp_path / "out.csv"
    target.write_bytes(b"old")
    with pytest.raises(BadFileError, match=r"promised|SHA-256"):
        await fetch(api, reports, target)
    assert contents(tmp_path) == {"out.csv": b"old"}


async def test_a_folder_that_is_not_there(api: Api, service: Service, tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="cannot be written"):
        await fetch(api, Reports(service), tmp_path / "no" / "out.csv")
