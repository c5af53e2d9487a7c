"""From a snapshot to an object: COPY, format, zip, upload, all at once and none of it held.

In: a claimed report, its export and its format. Out: `Produced`, what is in the object store now.
Whatever goes wrong anywhere ends everything else, and leaves no object.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from services.report_worker import manifest
from services.report_worker.control_totals import reconcile
from services.report_worker.copying import Copying, Progress, join_by_hash, snapshot
from services.report_worker.estimating import FEW_ROWS, estimate_rows, is_surprise
from services.report_worker.exports.definition import Export
from services.report_worker.formats.format import Format, FormatLimitError
from services.report_worker.packing import Package, Packed
from services.report_worker.pieces import FilePieces, Room
from services.report_worker.writing import OutgoingFile, Writing
from shared.database.replica import ReadSources, Source
from shared.database.reports import Report, ReportFile
from shared.errors import DeadlineExceededError
from shared.objects import BoundedPipe, ObjectStore, PipeBrokenError, UploadedObject, content_type

# While one part is sent, most of the next is made: the store is the quicker one.
OUT_BYTES = 4 * 1024 * 1024
# Pieces that may wait for their turn to go out, besides those that are being read.
READ_AHEAD = 1
GRACE_SECONDS = 60.0

NoteUpload = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Produced:
    """The object, and the files in it (their own bytes and hashes, unpacked)."""

    object: UploadedObject
    files: tuple[ReportFile, ...]


@dataclass(frozen=True, slots=True)
class Production:
    """What building takes: where to read, over so many connections for a large report, the
    store to write to, and threads to render and compress in."""

    sources: ReadSources
    objects: ObjectStore
    threads: Executor
    zip_over_bytes: int
    build_seconds_max: float
    connections_max: int = 1

    async def produce(
        self,
        report: Report,
        export: Export,
        format_: Format,
        progress: Progress,
        note_upload: NoteUpload,
    ) -> Produced:
        """Build the object. `note_upload` hears of the key before the first byte is sent.

        Raises whatever went wrong first; `PipeBrokenError` only tells of another error.
        """
        token = secrets.token_hex(4)

        async def note(ending: str) -> str:
            key = object_key(report, ending, token)
            await note_upload(key)
            return key

        async def produce_from(source: Source) -> Produced:
            try:
                return await self._produce_roomily(
                    source, report, export, format_, progress, note=note
                )
            except BaseExceptionGroup as several:
                raise first_cause(several) from several

        try:
            async with asyncio.timeout(self.build_seconds_max) as limit:
                # From a replica if there is one; once more from the primary should that break.
                return (await self.sources.read(produce_from)).value
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceededError("the report takes longer than a report may") from None

    async def _produce_roomily(
        self,
        source: Source,
        report: Report,
        export: Export,
        format_: Format,
        progress: Progress,
        *,
        note: Callable[[str], Awaitable[str]],
    ) -> Produced:
        """Again with more room, where a value does not fit in what the format has at first: under
        the same key, because an attempt has one."""
        while True:
            try:
                return await self._produce(source, report, export, format_, progress, note=note)
            except BaseExceptionGroup as several:
                roomier = format_.roomier
                if roomier is None or not isinstance(first_cause(several), FormatLimitError):
                    raise
                format_ = roomier

    async def _produce(
        self,
        source: Source,
        report: Report,
        export: Export,
        format_: Format,
        progress: Progress,
        *,
        note: Callable[[str], Awaitable[str]],
    ) -> Produced:
        out = BoundedPipe(bytes_max=OUT_BYTES)
        package = Package(
            out,
            datetime.now(UTC).astimezone(ZoneInfo(report.timezone)),
            # docs/http.md, `format`
            plain_bytes_max=None if export.packed or report.compress else self.zip_over_bytes,
            is_compressed=format_.is_compressed,
        )
        connections = self.connections_max if report.is_large else 1
        room = Room(connections + READ_AHEAD)
        files = [
            OutgoingFile(f"{file.name}.{format_.ending}", format_.render(file), FilePieces(room))
            for file in export.files
        ]
        progress.files = [file.pieces for file in files]
        copying = Copying(report, export.files, files, room, progress)
        writing = Writing(files, package, out)
        async with asyncio.TaskGroup() as group:
            group.create_task(writing.run(self.threads))
            checking = group.create_task(
                self._copy_and_check(
                    source, report, export, copying, writing, connections=connections
                )
            )
            is_zip = await package.is_zip
            key = await note("zip" if is_zip else format_.ending)
            uploaded = await self.objects.upload(key, out, content_type(key))
        return Produced(uploaded, checking.result())

    async def _copy_and_check(
        self,
        source: Source,
        report: Report,
        export: Export,
        copying: Copying,
        writing: Writing,
        *,
        connections: int,
    ) -> tuple[ReportFile, ...]:
        """The object ends when all that it says has been found true."""
        # Only should ours fail: the whole build has its limit above.
        seconds_max = self.build_seconds_max + GRACE_SECONDS
        async with snapshot(
            source,
            report.timezone,
            store_id=report.store_id,
            seconds_max=seconds_max,
            connections=connections,
        ) as opened:
            counted = report.rows_estimated or 0
            if report.is_large or counted > FEW_ROWS:
                expected = await estimate_rows(opened[0], export, report)
                if is_surprise(counted, expected):
                    await join_by_hash(opened)
                if report.is_large:
                    copying.progress.rows_estimated = expected
            rows = await copying.run(opened, seconds_max=seconds_max)
            copying.progress.stage = "checking totals"
            control = await reconcile(opened, export, report, rows, seconds_max=seconds_max)
        copying.progress.stage = "uploading"
        files = _files(await writing.written(), rows, copying.progress)
        if export.packed:
            await writing.end(manifest.NAME, manifest.render(report, files, control))
        else:
            await writing.end()
        return files


def object_key(report: Report, ending: str, token: str) -> str:
    """A key that no other attempt has, nor the same attempt in another process."""
    return (
        f"store_{report.store_id}/report_{report.report_id}"
        f"/attempt_{report.attempt}-{token}/{report.name}_report.{ending}"
    )


def _files(
    written: Sequence[Packed], rows: Sequence[int], progress: Progress
) -> tuple[ReportFile, ...]:
    """Raises `ValueError` unless as many rows went out as PostgreSQL says it sent."""
    for file, sent, pieces in zip(written, rows, progress.files, strict=True):
        if pieces.rows != sent:
            raise ValueError(f"{file.name}: {sent} rows were sent, {pieces.rows} went out")
    return tuple(
        ReportFile(file.name, count, file.bytes, file.sha256)
        for file, count in zip(written, rows, strict=True)
    )


def first_cause(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that broke the others."""
    errors: list[BaseException] = []
    for error in several.exceptions:
        errors.append(first_cause(error) if isinstance(error, BaseExceptionGroup) else error)
    return next((error for error in errors if not isinstance(error, PipeBrokenError)), errors[0])
