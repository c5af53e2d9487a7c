"""`tallyport`, also `python -m cli`: the commands, put together."""

from __future__ import annotations

import typer

from cli import administration, broker, dead, imports, items, registers, reports, rollups
from cli.outcomes import MEANINGS
from shared.settings import TelemetrySettings
from shared.telemetry import configure_logging

EXIT_CODES = "  \n".join(f"{code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    name="tallyport",
    help="Reports and exact numbers for merchants.",
    epilog=f"Exit codes:\n\n{EXIT_CODES}",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,  # they hold tokens
)
administration.add_to(app)
app.add_typer(registers.app, name="register")
imports.add_to(app)
app.add_typer(reports.app, name="report")
app.add_typer(items.app, name="items")
app.add_typer(rollups.app, name="rollup")
app.add_typer(dead.app, name="dead")
app.add_typer(broker.app, name="broker")


def main() -> None:
    """The entry point of the distribution."""
    # What the connections say of themselves would stand among the answers.
    configure_logging(TelemetrySettings(level="error"), service="cli")
    app(prog_name="tallyport")


if __name__ == "__main__":
    main()
