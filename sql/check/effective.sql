-- What roles may really do, whatever gives them the right: their own grants, their memberships, PUBLIC, ownership.
-- $1 roles.  Parallel: $2 a number per question, $3 whose (place in $1, from 1), $4 kinds (letters), $5 oids, $6 columns,
-- $7 privileges (words).
-- One row per question that PostgreSQL answers with no.
SELECT q.at, q.privilege
FROM unnest($2::int8[], $3::int8[], $4::text[], $5::int8[], $6::text[], $7::text[])
    AS q (at, whose, kind, oid, column_name, privilege)
JOIN unnest($1::text[]) WITH ORDINALITY AS r (name, place) ON r.place = q.whose
WHERE NOT COALESCE(CASE q.kind
    WHEN 'd' THEN pg_catalog.has_database_privilege(r.name::name, q.oid::oid, q.privilege)
    WHEN 'n' THEN pg_catalog.has_schema_privilege(r.name::name, q.oid::oid, q.privilege)
    WHEN 'r' THEN pg_catalog.has_table_privilege(r.name::name, q.oid::oid, q.privilege)
    WHEN 'c' THEN pg_catalog.has_column_privilege(r.name::name, q.oid::oid, q.column_name, q.privilege)
    WHEN 'S' THEN pg_catalog.has_sequence_privilege(r.name::name, q.oid::oid, q.privilege)
    WHEN 'f' THEN pg_catalog.has_function_privilege(r.name::name, q.oid::oid, q.privilege)
    WHEN 'T' THEN pg_catalog.has_type_privilege(r.name::name, q.oid::oid, q.privilege)
    WHEN 'l' THEN pg_catalog.has_language_privilege(r.name::name, q.oid::oid, q.privilege)
    -- Large objects have no function of their own before version 18: the owner, and grants to whose rights it has.
    WHEN 'L' THEN EXISTS (
        SELECT FROM pg_catalog.pg_largeobject_metadata o
        LEFT JOIN LATERAL pg_catalog.aclexplode(o.lomacl) a ON a.privilege_type = q.privilege
        WHERE o.oid = q.oid::oid
          AND (pg_catalog.pg_has_role(r.name::name, o.lomowner, 'USAGE')
               OR a.grantee = 0
               OR pg_catalog.pg_has_role(r.name::name, a.grantee, 'USAGE'))
    )
END, false)
