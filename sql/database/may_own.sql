-- Whether the role that is signed in may hand a database ($1) to an owner ($2): it has the rights of who owns it, may
-- become the new one, and has CREATEDB. A role that is not there yet is one that an earlier step makes.
SELECT
    $2::text = pg_catalog.pg_get_userbyid(d.datdba)::text
    OR (
        pg_catalog.pg_has_role(d.datdba, 'USAGE')
        AND (me.rolcreatedb OR me.rolsuper)
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_roles r
            WHERE r.rolname = $2::text
              AND NOT pg_catalog.pg_has_role(
                  r.oid,
                  CASE WHEN pg_catalog.current_setting('server_version_num')::int4 >= 160000 THEN 'SET' ELSE 'MEMBER' END
              )
        )
    ) AS may
FROM pg_catalog.pg_database d
JOIN pg_catalog.pg_roles me ON me.rolname = current_user
WHERE d.datname = $1::text
