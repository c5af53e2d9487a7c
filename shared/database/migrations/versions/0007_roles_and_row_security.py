"""A database role for each service, the least rights, and the rows of one store at a time."""

from __future__ import annotations

from shared.database.migrate import run_sql_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_file(__file__)


def downgrade() -> None:
    """Data is not thrown away: go forward with a further migration."""
    raise NotImplementedError("migrations go forward only")
