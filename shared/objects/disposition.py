"""The name under which a browser saves a download.

In: a file name, whatever is in it. Out: a `Content-Disposition` (RFC 6266) that cannot break out of
its header: without CR, LF, other control characters, quotes and slashes.
"""

from __future__ import annotations

import re
from urllib.parse import quote

_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\/]')
NAME_CHARS_MAX = 200


def attachment(file_name: str) -> str:
    """`attachment; filename="a.csv"`, with `filename*` when it is not all ASCII."""
    name = _UNSAFE.sub("", file_name)[:NAME_CHARS_MAX] or "download"
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    header = f'attachment; filename="{plain}"'
    if plain != name:
        encoded = quote(name.encode("utf-8", "replace"), safe="")
        header += f"; filename*=UTF-8''{encoded}"
    return header
