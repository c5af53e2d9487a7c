"""The web page, as it was built: its files in memory, each as the caller's browser takes it.

Comes in: the folder that `make page` fills. Goes out: responses. Names in `assets/` have a hash of
what is in them and are kept by browsers for ever; the page itself is asked for each time and has an
ETag. Without a built page the API works all the same, and `/` says what to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).resolve().parent / "static"
INDEX = "index.html"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
# Nothing but what is served here, and nothing in the page itself. A download is a navigation.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_MISSING = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tallyport: the page is not built</title>
<h1>The page is not built</h1>
<p>The gateway runs, and the API works. Its page is missing: it is built by <code>make page</code>,
which <code>make demo</code> and <code>make up</code> call. What it said then tells why; after it
has been built, start the gateway again.</p>
<p>What can be asked without it: <a href="openapi.json">openapi.json</a>.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file: its content by encoding (`""`: as it is) and its ETag by the same."""

    media_type: str
    contents: Mapping[str, bytes]
    etags: Mapping[str, str]


class Page:
    """The built page. `files` are by their path below the folder."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {name: _read(folder / name) for name in _names(folder)}

    @property
    def is_built(self) -> bool:
        return INDEX in self._files

    def index(self, request: web.Request) -> web.Response:
        """The page, or the plain word that it was not built."""
        if not self.is_built:
            headers = {**_ALWAYS, "Cache-Control": "no-store", "Vary": "Accept"}
            return web.Response(
                status=503, text=_MISSING, content_type="text/html", headers=headers
            )
        return _respond(request, self._files[INDEX], caching="no-cache", vary="Accept")

    def asset(self, request: web.Request, name: str) -> web.Response | None:
        """A file of `assets/`, or None."""
        file = self._files.get(f"assets/{name}")
        if file is None:
            return None
        return _respond(request, file, caching="public, max-age=31536000, immutable")


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
    request: web.Request, file: PageFile, *, caching: str, vary: str | None = None
) -> web.Response:
    encoding = _encoding(request, file)
    varies = [*([vary] if vary else []), *(["Accept-Encoding"] if len(file.contents) > 1 else [])]
    headers = {**_ALWAYS, "Cache-Control": caching, "ETag": file.etags[encoding]}
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
