#!/bin/sh
# The database's roles. Run by the image when the data folder is made; and by hand, as often as one
# likes, after an upgrade that brings a role, or to set the passwords that the environment says now:
#
#     docker compose exec postgres sh /docker-entrypoint-initdb.d/10-roles.sh
#
# tallyport_owner owns the schema and migrates it. Each service has a role of its own that is neither
# owner nor superuser, so that row-level security holds for it; none of them may change the schema.
# What they may do is given by the migrations (docs/security.md). tallyport_appender cannot log in:
# the recorder copies rows as this role, which may do that and nothing else.
set -eu

for role in OWNER GATEWAY REPORT_WORKER AGGREGATOR RECORDER; do
    eval "test -n \"\${${role}_PASSWORD:-}\"" || { echo "${role}_PASSWORD is not set" >&2; exit 1; }
done

# The passwords reach psql as variables of the environment, not as arguments that a process list shows.
psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv gateway_password GATEWAY_PASSWORD
\getenv report_worker_password REPORT_WORKER_PASSWORD
\getenv aggregator_password AGGREGATOR_PASSWORD
\getenv recorder_password RECORDER_PASSWORD
\set QUIET on

BEGIN;
-- A password in the server's log would outlive every other care that is taken of it.
SET LOCAL log_statement = 'none';
SET LOCAL log_min_error_statement = 'panic';
SET LOCAL log_min_duration_statement = -1;

SELECT format('CREATE ROLE %I', name)
  FROM unnest('{tallyport_owner,tallyport_admin,tallyport_gateway,tallyport_report_worker,
                tallyport_aggregator,tallyport_recorder,tallyport_appender}'::text[]) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE tallyport_owner LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'owner_password';
-- The operator's command line, with the operator's password.
ALTER ROLE tallyport_admin LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT PASSWORD :'owner_password';
ALTER ROLE tallyport_gateway LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT PASSWORD :'gateway_password';
ALTER ROLE tallyport_report_worker LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT PASSWORD :'report_worker_password';
ALTER ROLE tallyport_aggregator LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT PASSWORD :'aggregator_password';
ALTER ROLE tallyport_recorder LOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT PASSWORD :'recorder_password';
-- COPY does not work where row-level security holds.
ALTER ROLE tallyport_appender NOLOGIN NOSUPERUSER BYPASSRLS NOINHERIT;
GRANT tallyport_appender TO tallyport_recorder;
-- For the few functions that look at more than one store.
GRANT SET ON PARAMETER "tallyport.store_id" TO tallyport_owner;

ALTER DATABASE :"DBNAME" OWNER TO tallyport_owner;
ALTER SCHEMA public OWNER TO tallyport_owner;
COMMIT;
SQL
