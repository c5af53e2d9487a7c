"""The web page and the viewers of the documents, as they were built: files in memory, each as the
caller's browser takes it.

Comes in: the folder that `make page` fills, looked at again when it has been built anew. Goes out:
responses. Names in `assets/` have a hash of what is in them and are kept by browsers for ever; the
pages themselves are asked for each time and have an ETag. Where nothing was built the API works all
the same, and each page says what to do.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

FOLDER = Path(__file__).resolve().parent / "static"
INDEX = "index.html"
# Written last, when all the rest is there.
STAMP = ".built-from"
LOOK_EVERY_SECONDS = 1.0
ENCODINGS = {"br": ".br", "gzip": ".gz"}
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
# Nothing but what is served here, and nothing in the page itself. A download is a navigation.
_RULES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# What the viewers of the documents need besides (docs/decisions/0030-viewers.md): the pictures in
# their own styles, and text that becomes markup once it was cleaned.
_RULES_OF_VIEWERS = {
    **_RULES,
    "img-src": "'self' data:",
    "trusted-types": "default dompurify 'allow-duplicates'",
}
POLICY = "; ".join(f"{name} {value}" for name, value in _RULES.items())
POLICY_OF_VIEWERS = "; ".join(f"{name} {value}" for name, value in _RULES_OF_VIEWERS.items())
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HEADERS_OF_PLAIN_PAGES = {**_ALWAYS, "Content-Security-Policy": POLICY}
_MISSING = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tallyport: {what} is not built</title>
<h1>{What} is not built</h1>
<p>The gateway runs, and the API works. {What} is missing: it is built by <code>make page</code>,
which <code>make demo</code> and <code>make up</code> call. What it said then tells why; after it
has been built, load this again.</p>
<p>What can be read without it: {links}.</p>
</html>
"""


class Shown(NamedTuple):
    """A page: its file, what it is called when it is missing, what it shows, and its policy."""

    file: str
    what: str
    documents: tuple[str, ...]
    policy: str


PAGE = Shown(INDEX, "the page", ("openapi.json",), POLICY)
CALLS = Shown("docs.html", "the viewer of the calls", ("openapi.json",), POLICY_OF_VIEWERS)
MESSAGES = Shown(
    "docs/messages.html", "the viewer of the messages", ("../asyncapi.json",), POLICY_OF_VIEWERS
)


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file: its content by encoding (`""`: as it is) and its ETag by the same."""

    media_type: str
    contents: Mapping[str, bytes]
    etags: Mapping[str, str]


class Page:
    """What was built. `files` are by their path below the folder."""

    def __init__(
        self, folder: Path = FOLDER, *, look_every_seconds: float = LOOK_EVERY_SECONDS
    ) -> None:
        self._folder = folder
        self._look_every_seconds = look_every_seconds
        self._looked = float("-inf")
        self._built: tuple[int, int] | None = None
        self._files: Mapping[str, PageFile] = {}
        self._before: Mapping[str, PageFile] = {}
        self._look()

    @property
    def is_built(self) -> bool:
        return INDEX in self._files

    def show(self, request: web.Request, page: Shown, *, vary: str | None = None) -> web.Response:
        """The page, or the plain word that it was not built."""
        self._look()
        file = self._files.get(page.file)
        if file is None:
            headers = {**HEADERS_OF_PLAIN_PAGES, "Cache-Control": "no-store"}
            if vary:
                headers["Vary"] = vary
            return web.Response(
                status=503, text=_missing(page), content_type="text/html", headers=headers
            )
        return _respond(request, file, caching="no-cache", vary=vary, policy=page.policy)

    def asset(self, request: web.Request, name: str) -> web.Response | None:
        """A file of `assets/`, or None. Those of the build before are still there, for whoever has
        its page open."""
        self._look()
        path = f"assets/{name}"
        file = self._files.get(path) or self._before.get(path)
        if file is None:
            return None
        return _respond(request, file, caching="public, max-age=31536000, immutable")

    def _look(self) -> None:
        """Read the files again when they were built anew; look whether they were now and then.
        While they are being built there is no stamp, and what was read stays."""
        now = time.monotonic()
        if now - self._looked < self._look_every_seconds:
            return
        self._looked = now
        try:
            built = _built(self._folder)
            if built != self._built:
                self._before, self._files = self._files, _read_all(self._folder)
                self._built = built
        except FileNotFoundError:
            return


def wants_page(accept: str) -> bool:
    """Whether HTML is preferred to what the API speaks: a browser says so, a client does not."""
    weights = {"text/html": 0.0, "application/hal+json": 0.0, "application/json": 0.0}
    for part in accept.split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if media_type in weights:
            weights[media_type] = _weight(parameters)
    html = weights.pop("text/html")
    return html > max(weights.values())


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _missing(page: Shown) -> str:
    links = ", ".join(f'<a href="{path}">{path.rpartition("/")[2]}</a>' for path in page.documents)
    capital = page.what[0].upper() + page.what[1:]
    return _MISSING.format(what=page.what, What=capital, links=links)


def _built(folder: Path) -> tuple[int, int]:
    """When the folder was filled. Raises FileNotFoundError while it is not."""
    found = (folder / STAMP).stat()
    return found.st_mtime_ns, found.st_ino


def _read_all(folder: Path) -> dict[str, PageFile]:
    return {name: _read(folder / name) for name in _names(folder)}


def _names(folder: Path) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in MEDIA_TYPES
    ]


def _read(path: Path) -> PageFile:
    contents = {"": path.read_bytes()}
    for encoding, suffix in ENCODINGS.items():
        packed = path.with_name(path.name + suffix)
        if packed.exists():
            contents[encoding] = packed.read_bytes()
    digest = hashlib.sha256(contents[""]).hexdigest()[:32]
    etags = {encoding: f'"{digest}{encoding and "-" + encoding}"' for encoding in contents}
    return PageFile(MEDIA_TYPES[path.suffix], contents, etags)


def _respond(
    request: web.Request,
    file: PageFile,
    *,
    caching: str,
    vary: str | None = None,
    policy: str = POLICY,
) -> web.Response:
    encoding = _encoding(request, file)
    varies = [*([vary] if vary else []), *(["Accept-Encoding"] if len(file.contents) > 1 else [])]
    headers = {
        **_ALWAYS,
        "Content-Security-Policy": policy,
        "Cache-Control": caching,
        "ETag": file.etags[encoding],
    }
    if varies:
        headers["Vary"] = ", ".join(varies)
    known = request.headers.get("If-None-Match", "")
    if file.etags[encoding] in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = file.media_type
    if encoding:
        headers["Content-Encoding"] = encoding
    return web.Response(body=file.contents[encoding], headers=headers)


def _encoding(request: web.Request, file: PageFile) -> str:
    """The smallest that the caller takes. One that is refused with a weight of 0 is not taken."""
    accepted = {
        name.strip().lower()
        for part in request.headers.get("Accept-Encoding", "").split(",")
        for name, _, parameters in (part.partition(";"),)
        if _weight([parameters]) > 0
    }
    return next((one for one in ENCODINGS if one in accepted and one in file.contents), "")
