"""From a snapshot to an object: COPY, format, zip, upload, all at once and none of it held.

In: a claimed report and its export. Out: `Produced`, what is in the object store now. Whatever goes
wrong anywhere ends everything else, and leaves no object.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from services.report_worker import csv_text, manifest, packing
from services.report_worker.control_totals import reconcile
from services.report_worker.copying import Progress, copy_file, snapshot
from services.report_worker.estimating import estimate_rows
from services.report_worker.exports.definition import Export
from services.report_worker.packing import Member, pack
from shared.database.pool import Database
from shared.database.reports import Report, ReportFile
from shared.errors import DeadlineExceededError
from shared.objects import BoundedPipe, ObjectStore, PipeBrokenError, UploadedObject

PIPE_BYTES = 4 * 1024 * 1024
GRACE_SECONDS = 60.0

NoteUpload = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Produced:
    """The object, and the files in it (their own bytes and hashes, uncompressed)."""

    object: UploadedObject
    files: tuple[ReportFile, ...]


@dataclass(frozen=True, slots=True)
class Production:
    """What building takes: the database to read, the store to write, threads to compress in."""

    source: Database
    objects: ObjectStore
    threads: Executor
    zip_over_bytes: int
    build_seconds_max: float

    async def produce(
        self, report: Report, export: Export, progress: Progress, note_upload: NoteUpload
    ) -> Produced:
        """Build the object. `note_upload` hears of the key before the first byte is sent.

        Raises whatever went wrong first; `PipeBrokenError` only tells of another error.
        """
        try:
            async with asyncio.timeout(self.build_seconds_max) as limit:
                return await self._produce(report, export, progress, note_upload)
        except BaseExceptionGroup as several:
            raise first_cause(several) from several
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceededError("the report takes longer than a report may") from None

    async def _produce(
        self, report: Report, export: Export, progress: Progress, note_upload: NoteUpload
    ) -> Produced:
        # The first pipe holds as much as decides between plain and packed (docs/http.md, `format`).
        pipes = [
            BoundedPipe(bytes_max=PIPE_BYTES + (0 if ordinal else self.zip_over_bytes))
            for ordinal, _file in enumerate(export.files)
        ]
        last = BoundedPipe() if export.packed else None
        async with asyncio.TaskGroup() as group:
            copying = group.create_task(self._copy(report, export, pipes, last, progress))
            packed = export.packed or report.compress or await pipes[0].exceeds(self.zip_over_bytes)
            key = object_key(report, "zip" if packed else "csv")
            await note_upload(key)
            if packed:
                out = BoundedPipe(bytes_max=PIPE_BYTES)
                group.create_task(pack(self.threads, _members(report, export, pipes, last), out))
                uploaded = await self.objects.upload(key, out, packing.CONTENT_TYPE)
            else:
                uploaded = await self.objects.upload(key, pipes[0], csv_text.CONTENT_TYPE)
        return Produced(uploaded, _files(export, copying.result(), pipes))

    async def _copy(
        self,
        report: Report,
        export: Export,
        pipes: list[BoundedPipe],
        last: BoundedPipe | None,
        progress: Progress,
    ) -> list[int]:
        # Only should ours fail: the whole build has its limit above.
        seconds_max = self.build_seconds_max + GRACE_SECONDS
        rows: list[int] = []
        async with snapshot(self.source, report.timezone, seconds_max=seconds_max) as connection:
            if report.is_large:
                progress.rows_estimated = await estimate_rows(connection, export, report)
            for file, pipe in zip(export.files, pipes, strict=True):
                progress.stage = f"writing {file.name}"
                rows.append(
                    await copy_file(
                        connection, file, report, pipe, progress, seconds_max=seconds_max
                    )
                )
            progress.stage = "checking totals"
            control = await reconcile(connection, export, report, rows, seconds_max=seconds_max)
        progress.stage = "uploading"
        if last is not None:
            # Bytes and hashes are known once the zip has read the files to their ends.
            for pipe in pipes:
                await pipe.drained()
            await last.write(manifest.render(report, _files(export, rows, pipes), control))
            last.close()
        return rows


def object_key(report: Report, ending: str) -> str:
    """A key that no other attempt has, nor the same attempt twice."""
    return (
        f"store_{report.store_id}/report_{report.report_id}"
        f"/attempt_{report.attempt}-{secrets.token_hex(4)}/{report.name}_report.{ending}"
    )


def _file_name(name: str) -> str:
    return f"{name}.csv"


def _files(export: Export, rows: list[int], pipes: list[BoundedPipe]) -> tuple[ReportFile, ...]:
    return tuple(
        ReportFile(_file_name(file.name), count, pipe.bytes_read, pipe.sha256)
        for file, count, pipe in zip(export.files, rows, pipes, strict=True)
    )


def _members(
    report: Report, export: Export, pipes: list[BoundedPipe], last: BoundedPipe | None
) -> list[Member]:
    now = datetime.now(UTC).astimezone(ZoneInfo(report.timezone))
    members = [
        Member(_file_name(file.name), pipe, now)
        for file, pipe in zip(export.files, pipes, strict=True)
    ]
    return members if last is None else [*members, Member(manifest.NAME, last, now)]


def first_cause(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that broke the others."""
    errors: list[BaseException] = []
    for error in several.exceptions:
        errors.append(first_cause(error) if isinstance(error, BaseExceptionGroup) else error)
    return next((error for error in errors if not isinstance(error, PipeBrokenError)), errors[0])
