"""The text inside a workbook: cells, and the few parts around the sheets.

In: lines as COPY writes them in its text format, and the columns of a file. Out: rows of a sheet.
Escaping looks at a block of lines at once, in C; a row is a split and one `%`. No cell is a
formula, whatever it begins with: text is an inline string.

What a workbook cannot hold as it is:
- Characters that XML has no room for become `_x0001_`, and what looks like that becomes
  `_x005F_x0001_`, as the standard (ISO 29500, ST_Xstring) has it and as spreadsheets read it.
- A number of more than 15 digits is text: a spreadsheet would round it without a word.
- A text of more than 32,767 characters is cut, and says so at its end, in the cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from services.report_worker.exports.definition import Column, ColumnType

CELL_CHARACTERS_MAX = 32_767
NUMBER_DIGITS_MAX = 15
SHEET_NAME_CHARACTERS_MAX = 31
_CUT = b" [cut after 32,767 characters; csv, jsonl and parquet have all of it]"

_EMPTY = b"<c/>"
_TEXT = b'<c t="inlineStr"><is><t>%s</t></is></c>'
# Spaces at the ends are kept only where that is said.
_PADDED = b'<c t="inlineStr"><is><t xml:space="preserve">%s</t></is></c>'
_EMPTY_TEXT, _EMPTY_PADDED = _TEXT % b"", _PADDED % b""
_NUMBER = b"<c><v>%s</v></c>"
_TRUE, _FALSE = b'<c t="b"><v>1</v></c>', b'<c t="b"><v>0</v></c>'

# One byte for all that XML 1.0 cannot hold and COPY leaves as it is; DEL and the rest it can.
_CONTROL = bytes(range(1, 9)) + bytes(range(0x0B, 0x0D)) + bytes(range(0x0E, 0x20))
_MARKED = bytes.maketrans(_CONTROL, b"\x01" * len(_CONTROL))
_NONCHARACTERS = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_LETTERS = {b"b": "\b", b"f": "\f", b"n": "\n", b"r": "\r", b"t": "\t", b"v": "\v"}
_FOREIGN = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_PADDING = (b"\t ", b" \t", b"\n ", b" \n")


class Rows:
    """Turns lines into rows of a sheet."""

    def __init__(self, columns: Sequence[Column]) -> None:
        text, padded = [], []
        self._numbers: list[int] = []
        self._booleans: list[int] = []
        for at, column in enumerate(columns):
            plain = column.type in (ColumnType.TEXT, ColumnType.MOMENT, ColumnType.DATE)
            text.append(_TEXT if plain else b"%s")
            padded.append(_PADDED if plain else b"%s")
            if column.type in (ColumnType.NUMBER, ColumnType.MONEY):
                self._numbers.append(at)
            elif column.type is ColumnType.BOOLEAN:
                self._booleans.append(at)
        self._plain = b"<row>" + b"".join(text) + b"</row>"
        self._padded = b"<row>" + b"".join(padded) + b"</row>"

    def render(self, block: bytes) -> list[bytes]:
        """A row for each line of the block, which ends in a line feed."""
        if b"\\" in block or _has_foreign(block):
            return [self._one_by_one(line) for line in block[:-1].split(b"\n")]
        template, empty = self._plain, _EMPTY_TEXT
        if any(padding in block for padding in _PADDING) or block.startswith(b" "):
            template, empty = self._padded, _EMPTY_PADDED
        lines = _escaped(block[:-1]).split(b"\n")
        if max(map(len, lines)) > CELL_CHARACTERS_MAX:
            return [self._one_by_one(line) for line in block[:-1].split(b"\n")]
        rows = [template % self._cells(line.split(b"\t")) for line in lines]
        return [row.replace(empty, _EMPTY) for row in rows]

    def _cells(self, fields: list[bytes]) -> tuple[bytes, ...]:
        for at in self._numbers:
            fields[at] = number_cell(fields[at])
        for at in self._booleans:
            fields[at] = _TRUE if fields[at] == b"t" else _FALSE if fields[at] else _EMPTY
        return tuple(fields)

    def _one_by_one(self, line: bytes) -> bytes:
        fields = [text_of(field) for field in line.split(b"\t")]
        row: bytes = self._padded % self._cells(fields)
        return row.replace(_EMPTY_PADDED, _EMPTY)


def number_cell(number: bytes) -> bytes:
    """A number where a spreadsheet keeps all its digits; text where it would round."""
    if not number:
        return _EMPTY
    if len(number) > NUMBER_DIGITS_MAX or not number[-1:].isdigit():
        digits = number.lstrip(b"-").replace(b".", b"").strip(b"0")
        if len(digits) > NUMBER_DIGITS_MAX or not digits.isdigit():
            return _TEXT % number
    return _NUMBER % number


def text_of(field: bytes) -> bytes:
    """The XML of any text, COPY's escapes undone."""
    text = _unescaped(field).decode()
    if len(text) > CELL_CHARACTERS_MAX // 2:  # up to two of its characters each
        text = _cut(text)
    text = _FOREIGN.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    # XML would make a line feed of a carriage return.
    return escape(text, {"\r": "&#13;"}).encode()


def header_row(columns: Sequence[Column]) -> bytes:
    """The names of the columns, which are plain words."""
    return b"<row>" + b"".join(_TEXT % column.name.encode() for column in columns) + b"</row>"


def sheet_name(file_name: str, number: int) -> str:
    """`customers`, `customers 2`, ..."""
    behind = "" if number == 1 else f" {number}"
    return file_name[: SHEET_NAME_CHARACTERS_MAX - len(behind)] + behind


def _has_foreign(block: bytes) -> bool:
    return (
        b"\x01" in block.translate(_MARKED)
        or b"_x" in block
        or any(noncharacter in block for noncharacter in _NONCHARACTERS)
    )


def _escaped(block: bytes) -> bytes:
    return block.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")


def _unescaped(field: bytes) -> bytes:
    if b"\\" not in field:
        return field
    return _ESCAPED.sub(lambda found: _LETTERS.get(found[1], "").encode() or found[1], field)


def _cut(text: str) -> str:
    units = text.encode("utf-16-le")
    if len(units) // 2 <= CELL_CHARACTERS_MAX:
        return text
    kept = CELL_CHARACTERS_MAX - len(_CUT)
    return units[: 2 * kept].decode("utf-16-le", "ignore") + _CUT.decode()


_DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"

SHEET_BEGIN = f'{_DECLARED}<worksheet xmlns="{_MAIN}"><sheetData>'.encode()
SHEET_END = b"</sheetData></worksheet>"


def parts(sheets: Sequence[str]) -> dict[str, bytes]:
    """Everything of a workbook but its sheets, by path; `sheets` are their names."""
    numbers = range(1, len(sheets) + 1)
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"/>'
        for number, name in zip(numbers, sheets, strict=True)
    )
    related = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/worksheet"'
        f' Target="worksheets/sheet{number}.xml"/>'
        for number in numbers
    )
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.xml"'
        f' ContentType="{_TYPE}.worksheet+xml"/>'
        for number in numbers
    )
    found = {
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{related}'
        "</Relationships>",
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>",
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f"{types}</Types>",
    }
    return {path: (_DECLARED + text).encode() for path, text in found.items()}
