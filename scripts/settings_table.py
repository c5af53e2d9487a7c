"""Make the section "All settings" of docs/operation.md from .env.example.

Comes in: the page's path. Goes out: the page, with the section made anew. `.env.example` is
compared with the settings classes by a test.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
HEADING = "## All settings\n"
LINE = re.compile(r"^(?P<default>#?)(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
GROUP = re.compile(r"^# === (.+) ===$")
INTRODUCTION = """
Made from [.env.example](../.env.example) by `make docs`. What has no default has to be set.
"""


def made_anew(page: str) -> str:
    """The page with the section as it should be; it is the last one."""
    return page.partition(HEADING)[0] + HEADING + INTRODUCTION + _tables(EXAMPLE.read_text())


def _tables(example: str) -> str:
    made: list[str] = []
    meaning: list[str] = []
    for line in example.splitlines():
        if group := GROUP.match(line):
            made += ["", f"### {group[1]}", "", "| setting | default | meaning |", "|---|---|---|"]
            meaning = []
        elif setting := LINE.match(line):
            made.append(_row(setting, " ".join(meaning)))
            meaning = []
        elif line.startswith("# ") and made:
            meaning.append(line.removeprefix("# "))
        else:
            meaning = []
    return "\n".join(made) + "\n"


def _row(setting: re.Match[str], meaning: str) -> str:
    if not setting["default"]:
        default = "none"
    else:
        default = f"`{setting['value']}`" if setting["value"] else "empty"
    return f"| `{setting['name']}` | {default} | {meaning.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(made_anew(path.read_text()))
