-- What a role may really do, whatever gives it the right: its own grants, its memberships, PUBLIC, ownership.
-- $1 role.  $2 a number per question, $3 kinds (letters), $4 oids, $5 columns, $6 privileges (words): parallel.
-- One row per question that PostgreSQL answers with no.
SELECT q.at, q.privilege
FROM unnest($2::int8[], $3::text[], $4::int8[], $5::text[], $6::text[]) AS q (at, kind, oid, column_name, privilege)
WHERE NOT COALESCE(CASE q.kind
    WHEN 'd' THEN pg_catalog.has_database_privilege($1::name, q.oid::oid, q.privilege)
    WHEN 'n' THEN pg_catalog.has_schema_privilege($1::name, q.oid::oid, q.privilege)
    WHEN 'r' THEN pg_catalog.has_table_privilege($1::name, q.oid::oid, q.privilege)
    WHEN 'c' THEN pg_catalog.has_column_privilege($1::name, q.oid::oid, q.column_name, q.privilege)
    WHEN 'S' THEN pg_catalog.has_sequence_privilege($1::name, q.oid::oid, q.privilege)
    WHEN 'f' THEN pg_catalog.has_function_privilege($1::name, q.oid::oid, q.privilege)
    WHEN 'T' THEN pg_catalog.has_type_privilege($1::name, q.oid::oid, q.privilege)
    WHEN 'l' THEN pg_catalog.has_language_privilege($1::name, q.oid::oid, q.privilege)
    -- Large objects have no function of their own before version 18: the owner, and grants to whose rights it has.
    WHEN 'L' THEN EXISTS (
        SELECT FROM pg_catalog.pg_largeobject_metadata o
        LEFT JOIN LATERAL pg_catalog.aclexplode(o.lomacl) a ON a.privilege_type = q.privilege
        WHERE o.oid = q.oid::oid
          AND (pg_catalog.pg_has_role($1::name, o.lomowner, 'USAGE')
               OR a.grantee = 0
               OR pg_catalog.pg_has_role($1::name, a.grantee, 'USAGE'))
    )
END, false)
