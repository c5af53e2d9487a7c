"""A report's file comes out: whole and as promised, or not at all.

Comes in: a ready report's resource. Goes out: a file under its final name, whose bytes and
SHA-256 are those of the resource. A link that has expired is replaced by a fresh one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from cli.api import Api
from cli.outcomes import BadFileError, CommandError, RefusedError, TimedOutError, UnreachableError

CHUNK_BYTES = 1024 * 1024
ATTEMPTS_MAX = 3
LINK = "fx:download_url"


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The file as it lies here."""

    path: Path
    bytes: int
    sha256: str


async def download(
    api: Api, report: dict[str, Any], target: Path, advance: Callable[[int], None]
) -> Downloaded:
    """Fetch the file. A `target` that is a folder gets the name that the service gave the file.

    Raises `BadFileError` when it is not the promised one, or cannot be written here.
    """
    promised = report["download"]
    path = _named(target, promised["name"])
    # In the same folder, so that the rename is one step; of a name that nobody else writes to.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        for attempts_left in reversed(range(ATTEMPTS_MAX)):
            try:
                found = await _fetch(_link(report), partial, advance)
                break
            except CommandError:
                if attempts_left == 0:
                    raise
                advance(-_size(partial))
                # Every look at the resource signs a new link.
                report = await api.parsed("GET", f"/reports/{report_id(report)}")
        _check(promised, found)
        partial.replace(path)
    except OSError as error:
        raise BadFileError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
    return Downloaded(path, *found)


def report_id(report: dict[str, Any]) -> int:
    """The resource's number: the end of its self link."""
    return int(str(report["_links"]["self"]["href"]).rpartition("/")[2])


def _link(report: dict[str, Any]) -> str:
    link = report["_links"].get(LINK)
    if link is None:
        gone = report.get("file_expired")
        raise RefusedError(
            "the report's file is no longer kept" if gone else f"the report is {report['status']}"
        )
    return str(link["href"])


def _named(target: Path, name: str) -> Path:
    # Only the last part: a name from afar must not choose the folder.
    return target / Path(name).name if target.is_dir() else target


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _fetch(url: str, partial: Path, advance: Callable[[int], None]) -> tuple[int, str]:
    """(bytes, SHA-256) of what came. The link speaks for itself: our token stays here."""
    digest, size = hashlib.sha256(), 0
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.get(url) as response,
        ):
            if response.status != 200:
                raise RefusedError(
                    f"the object store answered {response.status} to the download link",
                    status=response.status,
                )
            with partial.open("wb") as file:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    digest.update(chunk)
                    size += len(chunk)
                    await asyncio.to_thread(file.write, chunk)
                    advance(len(chunk))
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
    except TimeoutError:
        raise TimedOutError("the object store stopped sending") from None
    except aiohttp.ClientError as error:
        raise UnreachableError(f"cannot reach the object store: {error}") from None
    return size, digest.hexdigest()


def _check(promised: dict[str, Any], found: tuple[int, str]) -> None:
    size, sha256 = found
    if size != promised["bytes"]:
        raise BadFileError(f"{size} bytes came, {promised['bytes']} were promised")
    if sha256 != promised["sha256"]:
        raise BadFileError(f"its SHA-256 is {sha256}, not {promised['sha256']}")
