-- What leans on a schema ($1) of this database: everything that would go with it, however it hangs together.
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) AS what
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_namespace n ON n.oid = d.refobjid
WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
  AND n.nspname = $1
  AND d.deptype IN ('n', 'a')
  -- Default privileges of the schema go with it and are grants, not contents.
  AND d.classid <> 'pg_catalog.pg_default_acl'::pg_catalog.regclass
GROUP BY 1
ORDER BY 1
