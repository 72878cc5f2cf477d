-- Every role that stands for an Entra principal, with its labels. Run in any database; roles are cluster-wide.
SELECT
    r.rolname::text AS name,
    pg_catalog.array_agg(l.label ORDER BY l.provider) AS labels
FROM pg_catalog.pg_shseclabel l
JOIN pg_catalog.pg_roles r ON r.oid = l.objoid
WHERE l.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass
  AND l.provider IN ('pgaadauth', 'pgaadauth-int')
GROUP BY r.rolname
ORDER BY r.rolname
