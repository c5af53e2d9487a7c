"""Dead letters as people read them.

Comes in: letters, properties, bodies of anybody's making. Goes out: tables and text; JSON laid out,
anything else as hexadecimal, and no more of it than fits a screen or two. Secrets are out of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import orjson
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.tables import table
from shared.errors import MalformedError
from shared.messaging.codec import parse
from shared.messaging.dead_letter import DeadLetter
from shared.messaging.dead_letter_queue import Picked

BODY_BYTES_MAX = 16 * 1024
HEX_BYTES_A_LINE = 16
UTF8_BYTES_MAX = 4
COLUMNS = ("id", "queue", "kind", "store", "reason", "when", "deaths")


def letters_table(title: str, letters: Iterable[DeadLetter]) -> Table:
    """One line a letter."""
    rows = [
        (
            *(one.letter_id, one.queue, one.kind, one.store_id),
            f"{one.reason_code}: {one.reason}",
            *(one.died_at, one.deaths),
        )
        for one in letters
    ]
    return table(title, COLUMNS, rows)


def letter_data(picked: Picked, body_bytes_max: int) -> dict[str, Any]:
    """All of one letter, for `--json`: the body as text where it is JSON, else in hexadecimal."""
    body = picked.shown_body
    kept = body[:body_bytes_max]
    is_json = body_lines(body, body_bytes_max) is not None
    return {
        **picked.letter.as_data(),
        "properties": picked.properties,
        "headers": picked.headers,
        "body": kept.decode(errors="replace") if is_json else None,
        "body_hex": None if is_json else kept.hex(),
        "body_cut_off": picked.letter.body_bytes > body_bytes_max,
    }


def letter_shown(data: dict[str, Any], body: bytes, body_bytes_max: int) -> RenderableType:
    """The same for people, with the body as it is to be shown."""
    about: list[Sequence[object]] = [
        (name, data[name])
        for name in (
            *("id", "message_id", "queue", "kind", "store_id", "reason_code", "reason"),
            *("died_at", "deaths", "redrives", "body_bytes"),
        )
    ]
    headers = [
        (name, json.dumps(value, ensure_ascii=False)) for name, value in data["headers"].items()
    ]
    lines = body_lines(body, body_bytes_max)
    shown = lines if lines is not None else hex_lines(body[:body_bytes_max])
    if data["body_cut_off"]:
        whole = data["body_bytes"]
        shown.append(f"... cut off: {body_bytes_max} of {whole} bytes (--body-bytes)")
    return Group(
        table("Dead letter", ("what", "value"), about),
        table("Properties", ("property", "value"), list(data["properties"].items())),
        table("Headers", ("header", "value"), headers),
        Text("\n".join(["Body", *shown])),
    )


def body_lines(body: bytes, bytes_max: int) -> list[str] | None:
    """JSON laid out, or as it came when that is too long to lay out; None when it is no JSON."""
    if len(body) > bytes_max:
        text = _text_of(body[:bytes_max])
        return [text] if text is not None and text.lstrip()[:1] in ("{", "[") else None
    try:
        value = parse(body)
    except MalformedError:
        return None
    try:
        laid_out = orjson.dumps(value, option=orjson.OPT_INDENT_2, default=_as_written)
    except TypeError:  # a number that is too long for it
        laid_out = body
    return laid_out.decode(errors="replace").splitlines()


def _as_written(value: object) -> orjson.Fragment:
    """A fraction with its digits; with its exponent too, which may be of any size."""
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError


def _text_of(part: bytes) -> str | None:
    try:
        return bytes(part).decode()
    except UnicodeDecodeError as error:
        # A character may be cut in two by us; anywhere else it is no text.
        if error.start >= len(part) - UTF8_BYTES_MAX:
            return bytes(part[: error.start]).decode()
        return None


def hex_lines(body: bytes) -> list[str]:
    """Offset, bytes, and what of them is ASCII."""
    lines = []
    for start in range(0, len(body), HEX_BYTES_A_LINE):
        part = bytes(body[start : start + HEX_BYTES_A_LINE])
        ascii_text = "".join(chr(one) if 32 <= one < 127 else "." for one in part)
        lines.append(f"{start:08x}  {part.hex(' '):<{3 * HEX_BYTES_A_LINE}} {ascii_text}")
    return lines
