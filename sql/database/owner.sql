-- Who owns a database ($1); no row where there is none of that name.
SELECT pg_catalog.pg_get_userbyid(d.datdba)::text AS owner
FROM pg_catalog.pg_database d
WHERE d.datname = $1
