"""The table of docs/reliability.md, made from the results of `make chaos`.

    python -m tests.chaos.reliability docs/reliability.md

In: `.run/chaos/results.jsonl`, of which the last line of each suite counts. Out: the page, with the
table between its two marks made anew. A suite without a long run is left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.chaos.checker import Harm
from tests.chaos.suite import RESULTS

BEGIN, END = "<!-- results -->\n", "<!-- /results -->\n"
SHOWN = (Harm.LOST, Harm.DUPLICATED, Harm.CORRUPT, Harm.REGRESSED, Harm.STUCK)
HEAD = (
    "| suite | rounds | faults | accepted | "
    + " | ".join(SHOWN)
    + " | other harms | seconds to the final state | slowest answer, seconds | command |\n"
    + "|"
    + "---|" * (len(SHOWN) + 8)
    + "\n"
)


def table(lines: list[dict[str, Any]]) -> str:
    """The last long run of each suite, in the order of their names."""
    last = {line["suite"]: line for line in lines if line["profile"] != "short"}
    return HEAD + "".join(_row(last[suite]) for suite in sorted(last))


def _row(line: dict[str, Any]) -> str:
    faults = ", ".join(f"{count:,} {name}" for name, count in line["faults"].items())
    if len(line["faults"]) > 8:  # failpoints by their steps
        faults = f"{sum(line['faults'].values()):,} at {len(line['faults'])} places"
    others = sum(line.get(harm.name.lower(), 0) for harm in Harm if harm not in SHOWN)
    cells = (
        line["suite"].replace("_", " "),
        f"{line['rounds']:,}",
        faults,
        f"{line['accepted']:,}",
        *(str(line[harm.name.lower()]) for harm in SHOWN),
        str(others),
        str(line["seconds_to_final"]),
        str(line["slowest_answer"]),
        f"`{line['command']}`",
    )
    return f"| {' | '.join(cells)} |\n"


def main(page: Path) -> None:
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}{table(lines)}{END}{after}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
