-- The databases in which a role owns something or holds a privilege, on the database itself or on what is in it.
-- $1 is the role's name. Databases that nobody can sign in to are left out.
SELECT DISTINCT d.datname::text AS name
FROM pg_catalog.pg_shdepend s
JOIN pg_catalog.pg_roles r ON r.oid = s.refobjid AND r.rolname = $1::text
JOIN pg_catalog.pg_database d
  ON d.oid = CASE WHEN s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass THEN s.objid ELSE s.dbid END
WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
  AND s.deptype IN ('a', 'o')
  AND d.datallowconn
ORDER BY 1
