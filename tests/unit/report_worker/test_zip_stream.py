"""What the zip's writer writes, the standard library reads, whatever is in it."""

from __future__ import annotations

import io
import random
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from services.report_worker.zip_stream import ZipStream

WHEN = datetime(2024, 2, 29, 13, 5, 58)  # noqa: DTZ001 - a zip knows no zones


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("is_zip64", [True, False])
def test_members_come_out_as_they_went_in(is_stored: bool, is_zip64: bool) -> None:
    chance = random.Random(5)  # noqa: S311 - a test's data
    contents = {"empty.csv": b"", "Łódź.csv": chance.randbytes(700_000), "a.txt": b"a" * 3_000_000}
    written: list[bytes] = []
    archive = ZipStream(written.append)
    for name, content in contents.items():
        archive.begin(name, WHEN, is_stored=is_stored, is_zip64=is_zip64)
        for at in range(0, len(content), 65_537):
            archive.write(content[at : at + 65_537])
        archive.end()
    archive.close()
    data = b"".join(written)
    with zipfile.ZipFile(io.BytesIO(data)) as reader:
        assert reader.testzip() is None
        assert {name: reader.read(name) for name in reader.namelist()} == contents
        for info in reader.infolist():
            assert info.date_time == (2024, 2, 29, 13, 5, 58)
            assert info.external_attr >> 16 == 0o100644
    assert (len(data) > 3_700_000) is is_stored


def test_no_members_is_an_archive_too() -> None:
    written: list[bytes] = []
    ZipStream(written.append).close()
    assert zipfile.ZipFile(io.BytesIO(b"".join(written))).namelist() == []


def test_a_byte_outside_a_member_has_no_place() -> None:
    with pytest.raises(ValueError, match="no member"):
        ZipStream(lambda _: None).write(b"x")


def test_members_beyond_four_gigabytes(tmp_path: Path) -> None:
    """Twice: the second one begins beyond it, and what is stored lies beyond it too."""
    path, block, count = tmp_path / "large.zip", bytes(64 * 1024 * 1024), 65
    with path.open("wb") as target:

        def skip(data: bytes) -> None:  # a hole in the file takes no room on the disk
            if len(data) == len(block):
                target.seek(len(data), io.SEEK_CUR)
            else:
                target.write(data)

        archive = ZipStream(skip)
        for name, is_stored in (("stored", True), ("deflated", False)):
            archive.begin(name, WHEN, is_stored=is_stored)
            for _ in range(count):
                archive.write(block)
            archive.end()
        with pytest.raises(ValueError, match="larger than 4 GB"):
            too_large(block, count)
        archive.close()
    with zipfile.ZipFile(path) as reader:
        assert [info.file_size for info in reader.infolist()] == [len(block) * count] * 2
        with reader.open("deflated") as member:
            assert member.read(5) == bytes(5)


def too_large(block: bytes, count: int) -> None:
    archive = ZipStream(lambda _: None)
    archive.begin("x", WHEN, is_zip64=False)
    for _ in range(count):
        archive.write(block)
    archive.end()
