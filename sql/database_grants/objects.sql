-- The objects that privileges can be granted on, with their raw access control lists (NULL = built-in defaults).
-- One row per object: a raw list is read about eight times cheaper than its exploded rows.
-- $1 schemas by name, or NULL for every schema but the system's.   $3 oids, or NULL: only these objects.
-- $2 letters of the kinds to answer whole; of all others only objects that have a list of their own.
-- $4, $5, $6 schemas, tables and columns (parallel): columns to answer though they have no list.
WITH wanted AS MATERIALIZED (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl
    FROM pg_catalog.pg_namespace n
    WHERE CASE
        WHEN $1::text[] IS NULL THEN n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        ELSE n.nspname = ANY ($1::text[])
    END
), members AS MATERIALIZED (
    -- Parts of extensions: their privileges are the extension's business, and its owner makes nothing by hand.
    SELECT e.classid, e.objid
    FROM pg_catalog.pg_depend e
    WHERE e.deptype = 'e'
)
SELECT 'd' AS kind, d.oid::int8 AS oid, '' AS schema, d.datname::text AS name, '' AS inner_name,
       d.datdba::int8 AS owner, d.datacl::text AS acl, false AS extension
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
UNION ALL
SELECT 'n', w.oid::int8, '', w.nspname::text, '', w.nspowner::int8, w.nspacl::text,
       w.oid IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass)
FROM wanted w
UNION ALL
SELECT k.kind, c.oid::int8, w.nspname::text, c.relname::text, '',
       c.relowner::int8, c.relacl::text,
       c.oid IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)
FROM pg_catalog.pg_class c
JOIN wanted w ON w.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT CASE c.relkind WHEN 'f' THEN 'F' ELSE c.relkind::text END AS kind) k
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND (c.relacl IS NOT NULL OR pg_catalog.strpos($2::text, k.kind) > 0)
  AND ($3::int8[] IS NULL OR c.oid = ANY ($3::int8[]::oid[]))
UNION ALL
-- Columns belong to their table: its oid, its owner.
SELECT 'c', c.oid::int8, w.nspname::text, c.relname::text, a.attname::text,
       c.relowner::int8, a.attacl::text, false
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN wanted w ON w.oid = c.relnamespace
WHERE NOT a.attisdropped
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND a.attacl IS NOT NULL
  AND ($3::int8[] IS NULL OR c.oid = ANY ($3::int8[]::oid[]))
UNION ALL
SELECT 'c', c.oid::int8, w.nspname::text, c.relname::text, a.attname::text, c.relowner::int8, NULL, false
FROM unnest($4::text[], $5::text[], $6::text[]) AS q (schema_name, table_name, column_name)
JOIN wanted w ON w.nspname = q.schema_name
JOIN pg_catalog.pg_class c ON c.relnamespace = w.oid AND c.relname = q.table_name
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = q.column_name
WHERE NOT a.attisdropped
  AND a.attacl IS NULL
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
-- Functions, aggregates and window functions; procedures apart.
SELECT k.kind, p.oid::int8, w.nspname::text, p.proname::text, pg_catalog.oidvectortypes(p.proargtypes),
       p.proowner::int8, p.proacl::text,
       p.oid IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
FROM pg_catalog.pg_proc p
JOIN wanted w ON w.oid = p.pronamespace
CROSS JOIN LATERAL (SELECT CASE p.prokind WHEN 'p' THEN 'P' ELSE 'f' END AS kind) k
WHERE (p.proacl IS NOT NULL OR pg_catalog.strpos($2::text, k.kind) > 0)
  AND ($3::int8[] IS NULL OR p.oid = ANY ($3::int8[]::oid[]))
UNION ALL
-- Array types and rows of tables have no privileges of their own; multiranges follow their range.
SELECT k.kind, t.oid::int8, w.nspname::text, t.typname::text, '', t.typowner::int8, t.typacl::text,
       t.oid IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass)
FROM pg_catalog.pg_type t
JOIN wanted w ON w.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
CROSS JOIN LATERAL (SELECT CASE t.typtype WHEN 'd' THEN 'D' ELSE 'T' END AS kind) k
WHERE (t.typacl IS NOT NULL OR pg_catalog.strpos($2::text, k.kind) > 0)
  AND t.typtype IN ('b', 'c', 'd', 'e', 'r')
  AND (t.typtype <> 'c' OR c.relkind = 'c')
  AND NOT (t.typlen = -1 AND t.typelem <> 0)
  AND t.typisdefined
  AND ($3::int8[] IS NULL OR t.oid = ANY ($3::int8[]::oid[]))
UNION ALL
-- PostgreSQL grants nothing on languages that are not trusted.
SELECT 'l', l.oid::int8, '', l.lanname::text, '', l.lanowner::int8, l.lanacl::text, false
FROM pg_catalog.pg_language l
WHERE l.lanpltrusted
  AND (l.lanacl IS NOT NULL OR pg_catalog.strpos($2::text, 'l') > 0)
  AND ($3::int8[] IS NULL OR l.oid = ANY ($3::int8[]::oid[]))
UNION ALL
SELECT 'L', o.oid::int8, '', o.oid::text, '', o.lomowner::int8, o.lomacl::text, false
FROM pg_catalog.pg_largeobject_metadata o
WHERE pg_catalog.strpos($2::text, 'L') > 0
  AND ($3::int8[] IS NULL OR o.oid = ANY ($3::int8[]::oid[]))
