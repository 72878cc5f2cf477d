-- All roles, and what the one that is signed in may do in their name: `usage` = has their rights without more ado,
-- `set` = may SET ROLE to them. Since PostgreSQL 16 SET is an option of its own; before it came with membership. A
-- superuser has both for all.
SELECT r.oid::int8 AS oid,
       r.rolname::text AS name,
       pg_catalog.pg_has_role(CURRENT_USER, r.oid, 'USAGE') AS usage,
       pg_catalog.pg_has_role(
           CURRENT_USER, r.oid,
           CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
       ) AS set
FROM pg_catalog.pg_roles r
