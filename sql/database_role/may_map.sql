-- Whether the role that is signed in may map roles to Entra principals. Run in database postgres, where Azure's functions are.
SELECT COALESCE(pg_catalog.bool_or(pg_catalog.has_function_privilege(p.oid, 'EXECUTE')), false)
    AND EXISTS (
        SELECT FROM pg_catalog.pg_roles r
        WHERE r.rolname = current_user AND (r.rolcreaterole OR r.rolsuper)
    ) AS may
FROM pg_catalog.pg_proc p
WHERE p.proname = 'pgaadauth_create_principal_with_oid'
