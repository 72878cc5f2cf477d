-- Who owns a schema ($1) of this database; no row where there is none of that name.
SELECT pg_catalog.pg_get_userbyid(n.nspowner)::text AS owner
FROM pg_catalog.pg_namespace n
WHERE n.nspname = $1
