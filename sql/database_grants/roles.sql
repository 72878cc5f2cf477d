-- All roles, and what the one that is signed in may do in their name: `usage` = has their rights without more ado,
-- `set` = may SET ROLE to them, `admin` = may make others members of them. Since PostgreSQL 16 SET is an option of its
-- own, and CREATEROLE alone no longer lets one hand out roles; before, both came without asking. A superuser has all.
SELECT r.oid::int8 AS oid,
       r.rolname::text AS name,
       pg_catalog.pg_has_role(CURRENT_USER, r.oid, 'USAGE') AS usage,
       pg_catalog.pg_has_role(CURRENT_USER, r.oid, CASE WHEN v.options THEN 'SET' ELSE 'MEMBER' END) AS set,
       pg_catalog.pg_has_role(CURRENT_USER, r.oid, 'MEMBER WITH ADMIN OPTION')
           OR (NOT v.options AND NOT r.rolsuper AND me.rolcreaterole) AS admin
FROM pg_catalog.pg_roles r
JOIN pg_catalog.pg_roles me ON me.rolname = CURRENT_USER
CROSS JOIN (SELECT pg_catalog.current_setting('server_version_num')::int >= 160000 AS options) v
