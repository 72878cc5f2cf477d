-- What keeps a role from being dropped: objects it owns and privileges it holds, in every database of the server.
-- $1 is the role's oid. Objects of this database and shared ones have a description, those elsewhere are counted.
SELECT
    COALESCE(d.datname::text, '') AS database,
    CASE s.deptype WHEN 'o' THEN 'owns' WHEN 'r' THEN 'is named in a policy of' ELSE 'holds privileges on' END AS how,
    CASE
        WHEN s.dbid = 0 OR d.datname = pg_catalog.current_database()
        THEN pg_catalog.pg_describe_object(s.classid, s.objid, s.objsubid)
    END AS what,
    count(*) AS times
FROM pg_catalog.pg_shdepend s
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.dbid
WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
  AND s.refobjid = $1::int8::oid
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
