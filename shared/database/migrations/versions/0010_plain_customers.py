"""Whether a customer has a text that a spreadsheet would run."""

from __future__ import annotations

from shared.database.migrate import run_sql_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_file(__file__)


def downgrade() -> None:
    """Data is not thrown away: go forward with a further migration."""
    raise NotImplementedError("migrations go forward only")
