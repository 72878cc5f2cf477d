-- On a flexible server azure_pg_admin owns schema public, on every version of PostgreSQL.
-- Runs in template1 too, so that databases made later have it.
ALTER SCHEMA public OWNER TO azure_pg_admin;
