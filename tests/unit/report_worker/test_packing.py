"""One file goes out as it is up to a size, and as a zip beyond; which of both is known early."""

from __future__ import annotations

import asyncio
import hashlib
import io
import zipfile
from datetime import UTC, datetime

import pytest

from services.report_worker.packing import Package, Packed
from shared.objects import BoundedPipe

WHEN = datetime(2024, 1, 1, tzinfo=UTC)


def package(
    out: BoundedPipe, plain_bytes_max: int | None, *, is_compressed: bool = False
) -> Package:
    return Package(out, WHEN, plain_bytes_max=plain_bytes_max, is_compressed=is_compressed)


@pytest.mark.parametrize(("size", "is_zip"), [(0, False), (10, False), (11, True), (3_000, True)])
async def test_a_file_beyond_the_limit_is_zipped(size: int, is_zip: bool) -> None:
    out = BoundedPipe()
    packing, content = package(out, 10), b"x" * size

    def write() -> Packed:
        packing.begin("a.csv")
        for at in range(0, size, 7):
            packing.write(content[at : at + 7])
        packed = packing.end()
        packing.close()
        return packed

    packed = await asyncio.to_thread(write)
    assert packed == Packed("a.csv", size, hashlib.sha256(content).hexdigest())
    assert await asyncio.wait_for(packing.is_zip, timeout=5) is is_zip
    data = out.read()
    if is_zip:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.namelist() == ["a.csv"]
            data = archive.read("a.csv")
    assert data == content


async def test_what_is_a_zip_in_any_case_is_known_with_the_first_file() -> None:
    out = BoundedPipe()
    packing = package(out, None, is_compressed=True)
    await asyncio.to_thread(packing.begin, "a.parquet")
    assert await asyncio.wait_for(packing.is_zip, timeout=5) is True

    def write_others() -> None:
        packing.write(b"a" * 1_000)
        packing.end()
        packing.begin("manifest.json", is_stored=False)
        packing.write(b"b" * 1_000)
        packing.end()
        packing.close()

    await asyncio.to_thread(write_others)
    with zipfile.ZipFile(io.BytesIO(out.read())) as archive:
        kinds = [info.compress_type for info in archive.infolist()]
        assert archive.read("manifest.json") == b"b" * 1_000
    assert kinds == [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
