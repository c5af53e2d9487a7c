"""What the service answers, as values.

Comes in: parsed JSON. Goes out: frozen dataclasses; numbers are `int` and `Decimal`, moments are
`datetime` with an offset. What a newer service adds is in `data`, where a class has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

Number = int | Decimal
# A text for one label, one for each of several, "All" for none.
Group = str | tuple[str, ...]
ReportStatus = Literal["queued", "ready", "error"]


@dataclass(frozen=True, slots=True)
class NumberRow:
    period: str
    group: Group
    value: Number


@dataclass(frozen=True, slots=True)
class GroupedNumbers:
    """The answer to a count, a sum or an average. `plan` says how it was found."""

    title: str
    rows: tuple[NumberRow, ...]
    etag: str | None = None
    plan: str | None = None

    @property
    def total(self) -> Number:
        """The one value of an answer that is not grouped. Raises ValueError for any other."""
        if len(self.rows) != 1:
            raise ValueError(f"there are {len(self.rows)} rows, not one: look at `rows`")
        return self.rows[0].value


@dataclass(frozen=True, slots=True)
class AnalysisRow:
    """`values` by measure; None is the least or the greatest of nothing. `is_other` gathers the
    groups behind the limit; `previous` is there when a comparison was asked for."""

    period: str | None
    group: Group | None
    values: Mapping[str, Number | None]
    previous: Mapping[str, Number | None] | None = None
    is_other: bool = False


@dataclass(frozen=True, slots=True)
class Analysis:
    """`totals` are by period, `total` is of all the range: where they were asked for."""

    title: str
    measures: tuple[str, ...]
    rows: tuple[AnalysisRow, ...]
    totals: tuple[AnalysisRow, ...] = ()
    total: AnalysisRow | None = None
    compared_with: tuple[datetime, datetime] | None = None
    etag: str | None = None
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """A ledger. `meta` has the labels by column."""

    id: int
    name: str
    units: str
    meta: Mapping[str, str]
    version: int
    is_sales: bool
    date_created: datetime
    date_modified: datetime
    data: Mapping[str, Any] = field(repr=False, compare=False, default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.meta.values())

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Register:
        return cls(
            data["id"],
            data["name"],
            data["units"],
            data["meta"],
            data["version"],
            data["is_sales"],
            datetime.fromisoformat(data["date_created"]),
            datetime.fromisoformat(data["date_modified"]),
            data,
        )


@dataclass(frozen=True, slots=True)
class Dimension:
    """A label. Not exact: about the newest items, there are at least so many."""

    label: str
    column: str
    values: int
    items: int
    is_exact: bool
    first_originated_at: datetime | None
    last_originated_at: datetime | None


@dataclass(frozen=True, slots=True)
class DimensionValue:
    value: str
    items: int


@dataclass(frozen=True, slots=True)
class Item:
    unique_key: str
    amount: Decimal
    originated_at: datetime
    description: str
    units: str
    meta: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was committed."""

    inserted: int = 0
    replaced: int = 0
    duplicates: int = 0

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Recorded:
        return cls(*(int(data.get(name) or 0) for name in ("inserted", "replaced", "duplicates")))

    def counts(self) -> dict[str, int]:
        return {
            "inserted": self.inserted,
            "replaced": self.replaced,
            "duplicates": self.duplicates,
        }

    def __add__(self, other: Recorded) -> Recorded:
        return Recorded(
            self.inserted + other.inserted,
            self.replaced + other.replaced,
            self.duplicates + other.duplicates,
        )


@dataclass(frozen=True, slots=True)
class ReportFile:
    name: str
    bytes: int
    sha256: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    stage: str
    rows_written: int
    rows_estimated: int | None
    percent: int | None
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A report as it was when it was looked at. `download` is the file as it is fetched, `files`
    what is in it."""

    id: int
    name: str
    status: ReportStatus
    format: str
    progress: Progress
    files: tuple[ReportFile, ...]
    download: ReportFile | None
    failure: tuple[str, str] | None
    is_file_expired: bool
    data: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Report:
        progress, failure, file = data["progress"], data.get("failure"), data.get("download")
        return cls(
            id=int(str(data["_links"]["self"]["href"]).rpartition("/")[2]),
            name=data["name"],
            status=data["status"],
            format=data["format"],
            progress=Progress(
                progress["stage"],
                progress["rows_written"],
                progress.get("rows_estimated"),
                progress.get("percent"),
                progress.get("queue_position"),
            ),
            files=tuple(
                ReportFile(one["name"], one["bytes"], one["sha256"], one["rows"])
                for one in data.get("files") or ()
            ),
            download=ReportFile(file["name"], file["bytes"], file["sha256"]) if file else None,
            failure=(str(failure["code"]), str(failure["message"])) if failure else None,
            is_file_expired=bool(data.get("file_expired")),
            data=data,
        )

    def link(self, relation: str) -> str | None:
        """The address of a relation, such as `fx:download_url`."""
        link = self.data["_links"].get(relation)
        return None if link is None else str(link["href"])
