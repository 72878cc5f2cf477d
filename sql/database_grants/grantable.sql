-- For objects whose owner's rights the session lacks: may it grant these privileges all the same, by grant options it
-- holds?
-- $1 kinds (letters), $2 oids, $3 privileges (words), as parallel arrays; one row per object.
SELECT q.kind AS kind,
       q.oid AS oid,
       pg_catalog.bool_and(CASE q.kind
           WHEN 'd' THEN pg_catalog.has_database_privilege(q.oid::oid, q.privilege || ' WITH GRANT OPTION')
           WHEN 'n' THEN pg_catalog.has_schema_privilege(q.oid::oid, q.privilege || ' WITH GRANT OPTION')
           WHEN 'r' THEN pg_catalog.has_table_privilege(q.oid::oid, q.privilege || ' WITH GRANT OPTION')
           WHEN 'S' THEN pg_catalog.has_sequence_privilege(q.oid::oid, q.privilege || ' WITH GRANT OPTION')
           WHEN 'f' THEN pg_catalog.has_function_privilege(q.oid::oid, q.privilege || ' WITH GRANT OPTION')
           WHEN 'T' THEN pg_catalog.has_type_privilege(q.oid::oid, q.privilege || ' WITH GRANT OPTION')
       END) AS may
FROM unnest($1::text[], $2::int8[], $3::text[]) AS q (kind, oid, privilege)
GROUP BY q.kind, q.oid
