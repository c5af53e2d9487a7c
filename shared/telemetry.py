"""Logs and metrics: how every process tells what happens.

Logs are structlog events, one line an outcome, ids bound once at the edge. JSON on a pipe,
coloured lines on a terminal. Secrets are redacted here, in one place, whatever logs them.

Our own lines do not go through the standard library's logging, only those of libraries do: it looks
for its caller up the stack and copies each event, which takes longer than answering a question.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import orjson
import structlog

from shared import tracing
from shared.settings import TelemetrySettings

# Each behind a mark, in small letters, that all it finds has: most texts have none, and looking for
# one is much cheaper than looking for a pattern.
_REDACTIONS = (
    # Bounded, or a long text without an end of it would be searched from every place in it.
    (
        "://",
        re.compile(r"\b([a-z][a-z0-9+.-]{0,20}://[^:/@\s\"]{0,100}:)[^@/\s\"]{1,500}@", re.I),
        r"\1***@",
    ),
    ("bearer", re.compile(r"(?i)(bearer\s+)[^\s\"]+"), r"\1***"),
    ("tp_", re.compile(r"\btp_[A-Za-z0-9_-]{8,}"), "tp_***"),
    ("x-amz-", re.compile(r"(?i)(X-Amz-(?:Signature|Credential)=)[^&\s\"]+"), r"\1***"),
)

# What they call information is debugging to us.
_LIBRARIES = ("aio_pika", "aiohttp", "alembic", "asyncio", "asyncpg", "urllib3")


def redact(text: str) -> str:
    """The text without passwords in URLs, bearer tokens and link signatures."""
    small = text.lower()
    for mark, pattern, replacement in _REDACTIONS:
        if mark in small:
            text = pattern.sub(replacement, text)
    return text


def _redact_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
    return event


def _name_trace(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Where spans are collected, a line is found from its span, and the other way round."""
    if tracing.is_on() and (ids := tracing.log_ids()) is not None:
        event["trace_id"], event["span_id"] = ids
    return event


def _as_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(event, default=repr)
    except TypeError:
        # A number of more than 64 bits, half of a surrogate pair: rare, and not to be lost.
        return json.dumps(event, default=repr).encode()


def _encoded(_logger: object, _method: str, line: Any) -> bytes:
    return line if isinstance(line, bytes) else str(line).encode(errors="backslashreplace")


class _Lines:
    """Writes to stderr. Nobody reads it, or the disk is full: no reason to end what is told of."""

    def __init__(self, *_: object) -> None:
        self._write = sys.stderr.buffer.write
        self._flush = sys.stderr.buffer.flush

    def msg(self, line: bytes) -> None:
        with suppress(OSError, ValueError):
            self._write(line + b"\n")
            self._flush()

    debug = info = warning = error = critical = msg


def configure_logging(settings: TelemetrySettings, *, service: str) -> None:
    """Route structlog and the standard library's logging to stderr in one format."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_trace,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer if console else _as_json, _encoded],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    # A connection that is lost is told by us, once, and not once a second by the library.
    logging.getLogger("aiormq").setLevel(logging.ERROR)
    structlog.contextvars.bind_contextvars(service=service)
