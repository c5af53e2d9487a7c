"""Parquet: typed columns, for programs.

In: a file of an export. Out: Parquet with zstd. Text is string, numbers and money are decimals,
booleans and dates are such, times are instants in UTC to the microsecond (their zone is the
report's, not each value's). What is missing is null, and an empty text is one.

How: COPY's CSV tells an empty text from a missing value by its quotes; Arrow reads it into columns
of the types that are said. Nothing is inferred. Chunks hold whole records, because PostgreSQL sends
one a message and the driver passes on whole messages, so they are read one by one: what Arrow has
for streams runs 32 blocks ahead of us. Whether a number fits, PostgreSQL says: Arrow reads 10^30
into 38 digits of which 10 are decimals as another number (measured, 26.0.1).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from services.report_worker.exports.definition import Column, ColumnType, ExportFile, value
from services.report_worker.formats.format import FormatLimitError, Write
from services.report_worker.pieces import FilePieces
from shared.database.queries import load_expressions

_SQL = load_expressions(__file__)
# What readers know: 28 digits before the point and 10 behind it.
DECIMAL = pa.decimal128(38, 10)
# For the one report in thousands that has more of either. Some readers make floats of it.
WIDE_DECIMAL = pa.decimal256(76, 38)
# The rows of a group are held until it is written.
GROUP_BYTES = 8 * 1024 * 1024

_NAIVE = pa.timestamp("us")
_INSTANT = pa.timestamp("us", "UTC")
_TYPES: Mapping[ColumnType, pa.DataType] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.MOMENT: _NAIVE,
    ColumnType.DATE: pa.date32(),
}
_PARSING = pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)

# One core is a build's share.
pa.set_cpu_count(1)


class Parquet:
    """The format `parquet`."""

    ending = "parquet"
    is_compressed = True

    def __init__(self, decimal: pa.DataType = DECIMAL) -> None:
        self._decimal = decimal

    @property
    def roomier(self) -> Parquet | None:
        return Parquet(WIDE_DECIMAL) if self._decimal == DECIMAL else None

    def render(self, file: ExportFile) -> Table:
        return Table(file, self._decimal)


class Table:
    """A file as Parquet."""

    copy_options: Mapping[str, Any] = {"format": "csv"}

    def __init__(self, file: ExportFile, decimal: pa.DataType) -> None:
        self._file = file
        self._decimal = decimal
        self._types = {column.name: _TYPES.get(column.type, decimal) for column in file.columns}
        self._schema = pa.schema(
            {name: _INSTANT if kind == _NAIVE else kind for name, kind in self._types.items()}
        )
        self._converting = pyarrow.csv.ConvertOptions(
            # Its CSV knows no decimals of more than 38 digits; its casts do.
            column_types={
                name: pa.string() if kind == WIDE_DECIMAL else kind
                for name, kind in self._types.items()
            },
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )

    def select(self, rows: str) -> str:
        values = ", ".join(map(self._value, self._file.columns))
        return f"SELECT {values} {rows}"

    def _value(self, column: Column) -> str:
        if column.type is ColumnType.MOMENT:
            return _SQL["moment"].format(value=value(column))
        if column.type in (ColumnType.NUMBER, ColumnType.MONEY):
            name = "number" if self._decimal == DECIMAL else "wide_number"
            return _SQL[name].format(value=value(column))
        return value(column)

    def write(self, pieces: FilePieces, write: Write) -> None:
        outlet = _Outlet(write)
        with pyarrow.parquet.ParquetWriter(
            outlet,
            self._schema,
            compression="zstd",
            compression_level=1,
            # They take memory and time, and zstd makes more of what repeats than of its numbers.
            use_dictionary=False,
        ) as writer:
            group: list[pa.Table] = []
            held = 0
            for chunk in pieces.chunks():
                rows = self._read(chunk)
                group.append(rows)
                held += rows.nbytes
                pieces.rows += rows.num_rows
                if held >= GROUP_BYTES:
                    writer.write_table(pa.concat_tables(group))
                    group, held = [], 0
            if group:
                writer.write_table(pa.concat_tables(group))

    def _read(self, chunk: bytes) -> pa.Table:
        """Raises `FormatLimitError`."""
        try:
            return pyarrow.csv.read_csv(
                pa.BufferReader(chunk),
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False, block_size=len(chunk), column_names=[*self._types]
                ),
                parse_options=_PARSING,
                convert_options=self._converting,
            ).cast(self._schema)
        except pa.ArrowInvalid as error:
            raise FormatLimitError(f"{self._file.name} as Parquet: {error}") from error


class _Outlet(io.RawIOBase):
    """Where the file goes, as a file that cannot seek."""

    def __init__(self, write: Write) -> None:
        self._take = write
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        self._take(bytes(data))
        self._written += len(data)
        return len(data)
