"""${message}"""

from shared.database.migrate import run_sql_file

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Run the SQL file of the same name."""
    run_sql_file(__file__)


def downgrade() -> None:
    """Data is not thrown away: go forward with a further migration."""
    raise NotImplementedError("migrations go forward only")
