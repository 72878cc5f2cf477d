-- The roles whose rights each of some roles ($1, all of them there) has without SET ROLE: itself and what it inherits.
SELECT q.name AS role, r.rolname::text AS name
FROM unnest($1::text[]) AS q (name)
JOIN pg_catalog.pg_roles r ON pg_catalog.pg_has_role(q.name::name, r.oid, 'USAGE')
