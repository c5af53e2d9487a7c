"""Parquet: typed columns, for programs.

In: a file of an export. Out: Parquet with zstd. Text is string, numbers and money are decimals,
booleans and dates are such, times are instants in UTC to the microsecond (their zone is the
report's, not each value's). What is missing is null, and an empty text is one.

How: COPY's CSV tells an empty text from a missing value by its quotes; Arrow reads it into columns
of the types that are said. Nothing is inferred. Whether a number fits, PostgreSQL says: Arrow reads
10^30 into 38 digits of which 10 are decimals as another number (measured, 26.0.1).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
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
# A row has to fit in a block; the rows of a group are held until it is written.
BLOCK_BYTES = 2 * 1024 * 1024
GROUP_BYTES = 8 * 1024 * 1024

_NAIVE = pa.timestamp("us")
_INSTANT = pa.timestamp("us", "UTC")
_TYPES: Mapping[ColumnType, pa.DataType] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.MOMENT: _NAIVE,
    ColumnType.DATE: pa.date32(),
}


# One core is a build's share. Of the pools this one gives back most; not every platform has it.
pa.set_cpu_count(1)
with suppress(NotImplementedError):
    pa.set_memory_pool(pa.jemalloc_memory_pool())


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
            outlet, self._schema, compression="zstd", compression_level=1
        ) as writer:
            group: list[pa.RecordBatch] = []
            held = 0
            for batch in self._batches(pieces):
                group.append(batch)
                held += batch.nbytes
                pieces.rows += batch.num_rows
                if held >= GROUP_BYTES:
                    writer.write_table(pa.Table.from_batches(group))
                    group, held = [], 0
            if group:
                writer.write_table(pa.Table.from_batches(group))

    def _batches(self, pieces: FilePieces) -> Iterator[pa.RecordBatch]:
        """Raises what `pieces` raises, and FormatLimitError."""
        source = _Source(pieces)
        try:
            with self._reader(source) as reader:
                for batch in reader:
                    yield pa.RecordBatch.from_arrays(
                        [
                            column if column.type == kind else column.cast(kind)
                            for column, kind in zip(batch.columns, self._schema.types, strict=True)
                        ],
                        schema=self._schema,
                    )
        except pa.ArrowInvalid as error:
            if source.is_empty:  # of nothing it cannot tell the columns
                return
            if source.error is not None:
                raise source.error from error
            raise FormatLimitError(f"{self._file.name} as Parquet: {error}") from error

    def _reader(self, source: _Source) -> pyarrow.csv.CSVStreamingReader:
        return pyarrow.csv.open_csv(
            pa.PythonFile(source, mode="r"),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=[*self._types]
            ),
            parse_options=pyarrow.csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pyarrow.csv.ConvertOptions(
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
            ),
        )


class _Source(io.RawIOBase):
    """The pieces, as a file to read."""

    def __init__(self, pieces: FilePieces) -> None:
        self.is_empty = True
        self.error: BaseException | None = None
        self._chunks = pieces.chunks()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._rest or next(self._chunks, b"")
        except BaseException as error:
            self.error = error
            raise
        if data:
            self.is_empty = False
        if 0 <= size < len(data):
            data, self._rest = data[:size], data[size:]
        else:
            self._rest = b""
        return data


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
