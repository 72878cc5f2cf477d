-- The objects that privileges can be granted on, with their raw access control lists (NULL = built-in defaults).
-- One row per object: a raw list is read about eight times cheaper than its exploded rows.
-- $1 schemas by name, or NULL for every schema but the system's.   $2 letters of the kinds: n r S f T.
-- $3 oids, or NULL: only these objects.
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
SELECT 'd' AS kind, d.oid::int8 AS oid, '' AS schema, d.datname::text AS name, '' AS arguments,
       d.datdba::int8 AS owner, d.datacl::text AS acl, false AS extension
FROM pg_catalog.pg_database d
WHERE d.datname = pg_catalog.current_database()
UNION ALL
SELECT 'n', w.oid::int8, '', w.nspname::text, '', w.nspowner::int8, w.nspacl::text,
       w.oid IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass)
FROM wanted w
UNION ALL
SELECT CASE c.relkind WHEN 'S' THEN 'S' ELSE 'r' END, c.oid::int8, w.nspname::text, c.relname::text, '',
       c.relowner::int8, c.relacl::text,
       c.oid IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_catalog.pg_class'::pg_catalog.regclass)
FROM pg_catalog.pg_class c
JOIN wanted w ON w.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND pg_catalog.strpos($2::text, CASE c.relkind WHEN 'S' THEN 'S' ELSE 'r' END) > 0
  AND ($3::int8[] IS NULL OR c.oid = ANY ($3::int8[]::oid[]))
UNION ALL
-- Functions, procedures, aggregates and window functions. Array types and rows of tables have no privileges of their
-- own; multiranges follow their range.
SELECT 'f', p.oid::int8, w.nspname::text, p.proname::text, pg_catalog.oidvectortypes(p.proargtypes),
       p.proowner::int8, p.proacl::text,
       p.oid IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
FROM pg_catalog.pg_proc p
JOIN wanted w ON w.oid = p.pronamespace
WHERE pg_catalog.strpos($2::text, 'f') > 0
  AND ($3::int8[] IS NULL OR p.oid = ANY ($3::int8[]::oid[]))
UNION ALL
SELECT 'T', t.oid::int8, w.nspname::text, t.typname::text, '', t.typowner::int8, t.typacl::text,
       t.oid IN (SELECT m.objid FROM members m WHERE m.classid = 'pg_catalog.pg_type'::pg_catalog.regclass)
FROM pg_catalog.pg_type t
JOIN wanted w ON w.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
WHERE pg_catalog.strpos($2::text, 'T') > 0
  AND t.typtype IN ('b', 'c', 'd', 'e', 'r')
  AND (t.typtype <> 'c' OR c.relkind = 'c')
  AND NOT (t.typlen = -1 AND t.typelem <> 0)
  AND t.typisdefined
  AND ($3::int8[] IS NULL OR t.oid = ANY ($3::int8[]::oid[]))
