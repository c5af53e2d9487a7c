#!/bin/sh
# The database's roles. Run once, by the image, when the data folder is made.
#
# tallyport_owner owns the schema and migrates it. Each service has a role of its own that is neither
# owner nor superuser, so that row-level security holds for it; none of them may change the schema.
# Rights are given as defaults, for the tables do not exist yet.
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

CREATE ROLE tallyport_owner LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'owner_password';
CREATE ROLE tallyport_gateway LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'gateway_password';
CREATE ROLE tallyport_report_worker LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'report_worker_password';
CREATE ROLE tallyport_aggregator LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'aggregator_password';
CREATE ROLE tallyport_recorder LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'recorder_password';

REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
ALTER DATABASE :"DBNAME" OWNER TO tallyport_owner;
ALTER SCHEMA public OWNER TO tallyport_owner;
GRANT CONNECT ON DATABASE :"DBNAME"
    TO tallyport_gateway, tallyport_report_worker, tallyport_aggregator, tallyport_recorder;
-- Batches are copied into temporary tables first.
GRANT TEMPORARY ON DATABASE :"DBNAME" TO tallyport_report_worker, tallyport_recorder;

ALTER DEFAULT PRIVILEGES FOR ROLE tallyport_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES
    TO tallyport_gateway, tallyport_report_worker, tallyport_recorder;
ALTER DEFAULT PRIVILEGES FOR ROLE tallyport_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES
    TO tallyport_gateway, tallyport_report_worker, tallyport_recorder;
-- It only ever reads.
ALTER DEFAULT PRIVILEGES FOR ROLE tallyport_owner IN SCHEMA public
    GRANT SELECT ON TABLES TO tallyport_aggregator;
COMMIT;
SQL
