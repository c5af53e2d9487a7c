"""The README as a newcomer follows it: its commands in their order, in one shell, on what runs.

What starts the system is left out (`make`, `docker`): the system runs already, and `make demo` does
what test_demo.py does. `docker compose run ... migrate` becomes the command that the image runs.
"""

from __future__ import annotations

import asyncio
import csv
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from devstack import demo_account, environment
from tests.e2e.conftest import Stack
from tests.engines import ROOT

README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STARTS = ("make ", "docker compose up")
IN_CONTAINERS = "docker compose run"
SECONDS = 300
END = "--- end of block "
# Of the image only what it runs. In a shell of its own: it asks a system at another address.
AS_THE_IMAGE_DOES = 'docker() { shift 5; command tallyport "$@"; }'

SALES_REGISTER = """call $TALLYPORT_URL/registers | python3 -c 'import json, sys
print(next(one["id"] for one in json.load(sys.stdin)["registers"] if one["is_sales"]))'"""


@dataclass(frozen=True)
class Block:
    """Commands, or a file to be written, and what the page says that they print."""

    text: str
    language: str
    printed: str | None


def blocks() -> list[Block]:
    """All code blocks but the drawing of the tree; output goes to the block before."""
    found: list[Block] = []
    for language, text in FENCE.findall(README.partition("## Where things are")[0]):
        if language == "json" or text.startswith("Recorded("):
            last = found.pop()
            found.append(Block(last.text, last.language, text))
        else:
            found.append(Block(text, language, None))
    return found


def script() -> str:
    """All of it as one script, with a mark after each block. Register 1 is the store's sales
    register, which has another number here."""
    lines = ["set -eu"]
    for number, block in enumerate(blocks()):
        text = block.text.replace("--register 1 ", f'--register "$({SALES_REGISTER})" ')
        if block.language == "python":
            lines.append(f"cat >publish.py <<'PYTHON'\n{text}PYTHON")
        elif IN_CONTAINERS in text:
            lines.append(f'(\n{AS_THE_IMAGE_DOES}\n{text}test -n "$TALLYPORT_TOKEN"\n)')
        elif not text.startswith(STARTS):
            lines.append(text)
        lines.append(f'echo "{END}{number}"')
    return "\n".join(lines)


def test_nothing_is_left_out_but_what_starts_the_system() -> None:
    left_out = [block.text for block in blocks() if block.text.startswith(STARTS)]
    commands = [line.partition("#")[0].strip() for text in left_out for line in text.splitlines()]
    assert commands == ["make demo", "make test", "docker compose up --wait"]
    assert sum(block.printed is not None for block in blocks()) == 3


@pytest.mark.timeout(SECONDS + 30)
async def test_every_command_works_and_prints_what_the_page_says(
    stack: Stack, tmp_path: Path
) -> None:
    await demo_account.obtain(stack.running)
    written = environment.write(stack.running)
    assert written.stat().st_mode & 0o077 == 0, "it has passwords in it"
    # The checkout as the page means it.
    for name, place in (
        *((".run", stack.run_dir), (".venv", ROOT / ".venv")),
        ("samples", ROOT / "samples"),
    ):
        (tmp_path / name).symlink_to(place)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", script()),
        cwd=tmp_path,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = stdout.decode()
    assert process.returncode == 0, f"{told[-3_000:]}\n{stderr.decode()[-3_000:]}"
    printed = re.split(rf"{END}\d+\n", told)
    for block, output in zip(blocks(), printed, strict=False):
        if block.printed is not None:
            assert output.strip().endswith(block.printed.strip()), block.text
    assert_saved(tmp_path)


def assert_saved(folder: Path) -> None:
    """The report that curl saved, and those of the command line."""
    saved = sorted(folder.glob("customers_report.*.csv"))
    assert len(saved) == 2
    for path in saved:
        with path.open(encoding="utf-8", newline="") as file:
            assert next(csv.reader(file))[:2] == ["id", "email"]
    assert [*folder.glob("complete_report.*.zip")]
