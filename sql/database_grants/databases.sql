-- The databases of a server that one can sign in to, to suggest one where a name is wrong.
SELECT d.datname::text AS name
FROM pg_catalog.pg_database d
WHERE d.datallowconn AND NOT d.datistemplate
ORDER BY d.datname
