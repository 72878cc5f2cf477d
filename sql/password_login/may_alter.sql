-- Whether the role that is signed in may change another one's right to log in: a superuser may, and CREATEROLE does for
-- ordinary roles; since PostgreSQL 16 only for those that it has with the admin option, with REPLICATION or without.   $1 the other role's name.
SELECT
    me.rolsuper
    OR (
        me.rolcreaterole
        AND NOT r.rolsuper
        AND (NOT r.rolreplication OR pg_catalog.current_setting('server_version_num')::int4 >= 160000)
        AND (
            pg_catalog.current_setting('server_version_num')::int4 < 160000
            OR pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER WITH ADMIN OPTION')
        )
    ) AS may
FROM pg_catalog.pg_roles r
CROSS JOIN pg_catalog.pg_roles me
WHERE r.rolname = $1::text
  AND me.rolname = current_user
