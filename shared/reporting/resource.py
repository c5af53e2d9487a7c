"""The report's resource, as the seed shows it: HAL, times in the store's zone, fresh links.

Comes in: a `Report` row, and what signs links. Goes out: the representation as a dict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.database.reports import Report
from shared.reporting.wall_clock import show

# What callers poll for; `building` is ours.
_PUBLIC_STATUS = {"queued": "queued", "building": "queued", "ready": "ready", "error": "error"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Representing:
    """What a representation needs besides the row: the public address, and a signer of links.

    `sign(object_key, file_name)` returns a URL that works for as long as the setting says.
    """

    base_url: str
    sign: Callable[[str, str], str]

    def curies(self) -> list[dict[str, Any]]:
        """The relations of ours are named `fx` and have a page each."""
        return [{"name": "fx", "href": f"{self.base_url}/rels/{{rel}}", "templated": True}]

    def report(self, report: Report) -> dict[str, Any]:
        """The resource. It has a link to the file only while there is one to be had."""
        links: dict[str, Any] = {
            "curies": self.curies(),
            "self": {
                "href": f"{self.base_url}/report/{report.report_id}",
                "title": "This Report",
            },
        }
        if has_file(report):
            links["fx:download_url"] = {
                "href": self.sign(report.object_key or "", file_name(report)),
                "title": "Download This Report",
            }
        if _PUBLIC_STATUS[report.status] == "queued":
            links["fx:events"] = {
                "href": f"{self.base_url}/report/{report.report_id}/events",
                "title": "Progress of This Report",
            }
        links["fx:user"] = {
            "href": f"{self.base_url}/users/{report.user_id}",
            "title": "This User",
        }
        return {"_links": links, **_properties(report)}


def has_file(report: Report) -> bool:
    """Whether a link can be given: it is ready, and the file is still kept."""
    return report.status == "ready" and report.file_removed_at is None


def file_name(report: Report) -> str:
    """`customers_report.1647049118670.csv`: the number is the moment it became ready, in ms."""
    if report.ready_at is None or report.object_key is None:
        raise ValueError("only a ready report has a file")
    milliseconds = (report.ready_at - _EPOCH) // (_EPOCH.resolution * 1000)
    suffix = report.object_key.rpartition(".")[2]
    return f"{report.name}_report.{milliseconds}.{suffix}"


def _properties(report: Report) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "name": report.name,
        "version": report.version,
        "datetime_start": show(report.range_start, report.timezone),
        "datetime_end": show(report.range_end, report.timezone),
        "status": _PUBLIC_STATUS[report.status],
        "date_created": show(report.date_created, report.timezone),
        "date_modified": show(report.date_modified, report.timezone),
        "format": report.format,
        "attempts": report.attempt,
        "progress": _progress(report),
    }
    if report.status == "error":
        properties["failure"] = {
            "code": report.failure_code,
            "message": report.failure_message,
        }
    if report.status == "ready":
        properties["files"] = [
            {"name": file.name, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256}
            for file in report.files
        ]
        properties["download"] = {
            "name": file_name(report),
            "bytes": report.object_bytes,
            "sha256": report.object_sha256,
        }
        if report.file_removed_at is not None:
            properties["file_expired"] = True
    return properties


def _progress(report: Report) -> dict[str, Any]:
    progress: dict[str, Any] = {
        "stage": report.stage,
        "rows_written": report.rows_written,
        "rows_estimated": report.rows_estimated,
        "percent": _percent(report),
    }
    if report.status == "queued" and report.ahead is not None:
        progress["queue_position"] = report.ahead + 1
    return progress


def _percent(report: Report) -> int:
    """How far it is. An estimate can be too low: 100 is shown only when it is ready."""
    if report.status == "ready":
        return 100
    if not report.rows_estimated or report.status != "building":
        return 0
    return min(99, report.rows_written * 100 // report.rows_estimated)
