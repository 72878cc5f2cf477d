-- The counts a person looks at after a set-up: of all tables, sequences, functions and schemas of a database, how many
-- can this role use? Usable = any of SELECT, INSERT, UPDATE, DELETE on a table, any of USAGE, SELECT on a sequence,
-- EXECUTE on a function, each together with USAGE on its schema.   $1 role.
WITH spaces AS MATERIALIZED (
    SELECT n.oid, pg_catalog.has_schema_privilege($1::name, n.oid, 'USAGE') AS usage
    FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT 'schemas' AS what, count(*) AS total, count(*) FILTER (WHERE s.usage) AS usable
FROM spaces s
UNION ALL
SELECT 'tables', count(*), count(*) FILTER (
    WHERE s.usage AND pg_catalog.has_table_privilege($1::name, c.oid, 'SELECT, INSERT, UPDATE, DELETE'))
FROM spaces s
JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'sequences', count(*), count(*) FILTER (
    WHERE s.usage AND pg_catalog.has_sequence_privilege($1::name, c.oid, 'USAGE, SELECT'))
FROM spaces s
JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relkind = 'S'
UNION ALL
SELECT 'functions', count(*), count(*) FILTER (
    WHERE s.usage AND pg_catalog.has_function_privilege($1::name, p.oid, 'EXECUTE'))
FROM spaces s
JOIN pg_catalog.pg_proc p ON p.pronamespace = s.oid
