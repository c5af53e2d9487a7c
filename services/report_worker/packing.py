"""A zip, written while it is read.

In: pipes with the members' bytes, one after the other. Out: a pipe with the zip. In a thread,
because compressing keeps a processor busy; the archive is never held, its sizes stand behind each
member, and every member may be larger than 4 GB.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime

from shared.objects import BoundedPipe

CONTENT_TYPE = "application/zip"
# Level 1 keeps pace with COPY; level 6 would take three times as long.
LEVEL = 1
_READABLE_BY_ALL = 0o644 << 16


@dataclass(frozen=True, slots=True)
class Member:
    """`modified` is wall-clock time: a zip knows no zones."""

    name: str
    content: BoundedPipe
    modified: datetime


async def pack(executor: Executor, members: Sequence[Member], out: BoundedPipe) -> None:
    """Write the zip; returns when all of it is in `out`, which is closed then.

    Cancelling, or a member that fails, makes `out` fail: what reads it never sees an end.
    """
    work = asyncio.get_running_loop().run_in_executor(executor, _write, members, out)
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError as error:
        # The thread waits for one of these, wherever it is.
        for pipe in (*(member.content for member in members), out):
            pipe.fail(error)
        await asyncio.wait([work])
        work.exception()  # it was told to fail: nothing to report
        raise


def _write(members: Sequence[Member], out: BoundedPipe) -> None:
    try:
        with zipfile.ZipFile(_Outlet(out), "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                _write_member(archive, member)
    except BaseException as error:
        out.fail(error)
        for member in members:
            member.content.fail(error)
        raise
    out.close()


def _write_member(archive: zipfile.ZipFile, member: Member) -> None:
    info = zipfile.ZipInfo(member.name, member.modified.timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    info._compresslevel = LEVEL  # type: ignore[attr-defined]  # noqa: SLF001 - public from 3.13
    info.external_attr = _READABLE_BY_ALL
    with archive.open(info, "w", force_zip64=True) as target:
        while chunk := member.content.read_chunk():
            target.write(chunk)


class _Outlet(io.RawIOBase):
    """The writing end, as a file that cannot seek."""

    def __init__(self, pipe: BoundedPipe) -> None:
        self._pipe = pipe

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # the zip hands over bytes only
        self._pipe.put(bytes(data))
        return len(data)
