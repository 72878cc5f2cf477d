-- Which of these privileges do roles lack on an object that was made a moment ago, in the same transaction?
-- $1 schema, $2 name, $3 kind (r table, S sequence, f function, T type), $4 roles, $5 privileges (parallel).
SELECT q.role, q.privilege
FROM unnest($4::text[], $5::text[]) AS q (role, privilege)
WHERE NOT CASE $3::text
    WHEN 'r' THEN pg_catalog.has_table_privilege(q.role::name, pg_catalog.format('%I.%I', $1::text, $2::text), q.privilege)
    WHEN 'S' THEN pg_catalog.has_sequence_privilege(q.role::name, pg_catalog.format('%I.%I', $1::text, $2::text), q.privilege)
    WHEN 'f' THEN pg_catalog.has_function_privilege(q.role::name, pg_catalog.format('%I.%I()', $1::text, $2::text), q.privilege)
    WHEN 'T' THEN pg_catalog.has_type_privilege(q.role::name, pg_catalog.format('%I.%I', $1::text, $2::text), q.privilege)
    ELSE true
END
