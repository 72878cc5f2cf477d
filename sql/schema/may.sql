-- Whether the role that is signed in may make a schema ($1) of this database, or hand one that is there to its owner ($2,
-- NULL: whoever makes it). To make one takes CREATE on the database; to hand one over besides the rights of who owns it,
-- and of both to become the new owner. A role that is not there yet is one that an earlier step makes.
SELECT
    CASE
        WHEN n.oid IS NULL THEN m.creates AND m.becomes
        WHEN $2::text IS NULL OR $2::text = pg_catalog.pg_get_userbyid(n.nspowner)::text THEN true
        ELSE pg_catalog.pg_has_role(n.nspowner, 'USAGE') AND m.creates AND m.becomes
    END AS may
FROM (
    SELECT
        pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS creates,
        NOT EXISTS (
            SELECT FROM pg_catalog.pg_roles r
            WHERE r.rolname = $2::text
              AND NOT pg_catalog.pg_has_role(
                  r.oid,
                  CASE WHEN pg_catalog.current_setting('server_version_num')::int4 >= 160000 THEN 'SET' ELSE 'MEMBER' END
              )
        ) AS becomes
) m
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = $1::text
