-- What roles may really do, whatever gives them the right: their own grants, their memberships, PUBLIC, ownership.
-- $1 roles.  Objects, parallel: $2 kinds (letters), $3 oids, $4 columns.  Questions, parallel: $5 whose (place in $1, from 1),
-- $6 on what (place among the objects, from 1), $7 which privileges (letters of access control lists).
-- One row per question (its place, from 1) and letter that PostgreSQL answers with no.
WITH words (letter, privilege) AS (
    VALUES ('r', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE'), ('d', 'DELETE'), ('D', 'TRUNCATE'), ('x', 'REFERENCES'),
           ('t', 'TRIGGER'), ('m', 'MAINTAIN'), ('X', 'EXECUTE'), ('U', 'USAGE'), ('C', 'CREATE'), ('c', 'CONNECT'),
           ('T', 'TEMPORARY')
)
SELECT q.place AS at, w.letter
FROM unnest($5::int4[], $6::int4[], $7::text[]) WITH ORDINALITY AS q (whose, what, letters, place)
JOIN unnest($1::text[]) WITH ORDINALITY AS r (name, place) ON r.place = q.whose
JOIN unnest($2::text[], $3::int8[], $4::text[]) WITH ORDINALITY AS o (kind, oid, column_name, place) ON o.place = q.what
CROSS JOIN words w
WHERE NOT COALESCE(CASE
    -- Words that a version does not know are errors: only those that are asked for may be looked at.
    WHEN pg_catalog.strpos(q.letters, w.letter) = 0 THEN true
    WHEN o.kind = 'd' THEN pg_catalog.has_database_privilege(r.name::name, o.oid::oid, w.privilege)
    WHEN o.kind = 'n' THEN pg_catalog.has_schema_privilege(r.name::name, o.oid::oid, w.privilege)
    WHEN o.kind = 'r' THEN pg_catalog.has_table_privilege(r.name::name, o.oid::oid, w.privilege)
    WHEN o.kind = 'c' THEN pg_catalog.has_column_privilege(r.name::name, o.oid::oid, o.column_name, w.privilege)
    WHEN o.kind = 'S' THEN pg_catalog.has_sequence_privilege(r.name::name, o.oid::oid, w.privilege)
    WHEN o.kind = 'f' THEN pg_catalog.has_function_privilege(r.name::name, o.oid::oid, w.privilege)
    WHEN o.kind = 'T' THEN pg_catalog.has_type_privilege(r.name::name, o.oid::oid, w.privilege)
    WHEN o.kind = 'l' THEN pg_catalog.has_language_privilege(r.name::name, o.oid::oid, w.privilege)
    -- Large objects have no function of their own before version 18: the owner, and grants to whose rights it has.
    WHEN o.kind = 'L' THEN EXISTS (
        SELECT FROM pg_catalog.pg_largeobject_metadata l
        LEFT JOIN LATERAL pg_catalog.aclexplode(l.lomacl) a ON a.privilege_type = w.privilege
        WHERE l.oid = o.oid::oid
          AND (pg_catalog.pg_has_role(r.name::name, l.lomowner, 'USAGE')
               OR a.grantee = 0
               OR pg_catalog.pg_has_role(r.name::name, a.grantee, 'USAGE'))
    )
END, false)
