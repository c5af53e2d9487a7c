"""Parts of pages that are made from what is: compared, or, with WRITE_DOCS=1, written."""

from __future__ import annotations

import os
import re
from pathlib import Path


def between_marks(page: Path, name: str, made: str) -> bool:
    """Whether the page has this between its two marks of this name."""
    text = page.read_text(encoding="utf-8")
    marked = re.compile(rf"(<!-- {name} -->\n)(.*?)(\n<!-- end of {name} -->)", re.DOTALL)
    found = marked.search(text)
    assert found, f"{page.name} has no marks for {name}"
    if found[2] == made:
        return True
    if os.environ.get("WRITE_DOCS"):
        page.write_text(text[: found.start(2)] + made + text[found.end(2) :], encoding="utf-8")
        return True
    print(f"{page.name} is not what is there: make it anew with WRITE_DOCS=1")  # noqa: T201
    return False
