"""PostgreSQL: pool, migrations, named queries, and the SQL that more than one service needs."""
