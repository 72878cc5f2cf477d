-- The roles whose rights a role ($1) has without SET ROLE: itself and what it inherits.
SELECT r.rolname::text AS name
FROM pg_catalog.pg_roles r
WHERE pg_catalog.pg_has_role($1::name, r.oid, 'USAGE')
