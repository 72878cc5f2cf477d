-- The roles that would be locked out of a server that takes no passwords: they may log in, are mapped to no Entra
-- principal, and may have a password that is still taken. Whether one has is for superusers alone to see, so each counts.
-- Superusers are Azure's alone, and so are the roles that it keeps for itself, by their names; a customer's role may well
-- have REPLICATION (change data capture). With how many sessions each has now, besides this one.
SELECT r.rolname::text AS role, count(a.pid) AS sessions
FROM pg_catalog.pg_roles r
LEFT JOIN pg_catalog.pg_shseclabel l
    ON l.objoid = r.oid AND l.classoid = 'pg_catalog.pg_authid'::regclass AND l.provider = 'pgaadauth'
LEFT JOIN pg_catalog.pg_stat_activity a ON a.usesysid = r.oid AND a.pid <> pg_catalog.pg_backend_pid()
WHERE r.rolcanlogin
  AND NOT r.rolsuper
  AND r.rolname NOT IN ('azuresu', 'azure_superuser', 'replication')
  AND l.objoid IS NULL
  AND (r.rolvaliduntil IS NULL OR r.rolvaliduntil > pg_catalog.now())
GROUP BY r.rolname
ORDER BY r.rolname
