"""The name under which a browser saves a download, and what it is.

In: a file name, whatever is in it. Out: its type, by its ending; and a `Content-Disposition` (RFC
6266) that cannot break out of its header: without CR, LF, other control characters, quotes and
slashes.
"""

from __future__ import annotations

import re
from urllib.parse import quote

_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\/]')
NAME_CHARS_MAX = 200
# Written down, because what the standard library knows of these depends on the machine.
_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}


def content_type(file_name: str) -> str:
    """By its ending, without looking into it."""
    return _TYPES.get(file_name.rpartition(".")[2], "application/octet-stream")


def attachment(file_name: str) -> str:
    """`attachment; filename="a.csv"`, with `filename*` when it is not all ASCII."""
    name = _UNSAFE.sub("", file_name)[:NAME_CHARS_MAX] or "download"
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    header = f'attachment; filename="{plain}"'
    if plain != name:
        encoded = quote(name.encode("utf-8", "replace"), safe="")
        header += f"; filename*=UTF-8''{encoded}"
    return header
