-- What a role may really do, whatever gives it the right: its own grants, its memberships, PUBLIC, ownership.
-- $1 role.  $2 schemas, or NULL for every schema but the system's.  $3 kinds (letters), $4 privileges (words): parallel.
-- One row per kind and privilege: how many objects there are, how many the role lacks it on, the first few by name.
WITH wanted AS MATERIALIZED (
    SELECT n.oid, n.nspname
    FROM pg_catalog.pg_namespace n
    WHERE CASE
        WHEN $2::text[] IS NULL THEN n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        ELSE n.nspname = ANY ($2::text[])
    END
), asked AS (
    SELECT q.kind, q.privilege
    FROM unnest($3::text[], $4::text[]) AS q (kind, privilege)
), answers AS (
    SELECT a.kind, a.privilege, pg_catalog.quote_ident(d.datname) AS name,
           pg_catalog.has_database_privilege($1::name, d.oid, a.privilege) AS has
    FROM asked a
    JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
    WHERE a.kind = 'd'
    UNION ALL
    SELECT a.kind, a.privilege, pg_catalog.quote_ident(w.nspname),
           pg_catalog.has_schema_privilege($1::name, w.oid, a.privilege)
    FROM asked a
    CROSS JOIN wanted w
    WHERE a.kind = 'n'
    UNION ALL
    SELECT a.kind, a.privilege, pg_catalog.format('%I.%I', w.nspname, c.relname),
           pg_catalog.has_table_privilege($1::name, c.oid, a.privilege)
    FROM asked a
    CROSS JOIN wanted w
    JOIN pg_catalog.pg_class c ON c.relnamespace = w.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    WHERE a.kind = 'r'
    UNION ALL
    SELECT a.kind, a.privilege, pg_catalog.format('%I.%I', w.nspname, c.relname),
           pg_catalog.has_sequence_privilege($1::name, c.oid, a.privilege)
    FROM asked a
    CROSS JOIN wanted w
    JOIN pg_catalog.pg_class c ON c.relnamespace = w.oid AND c.relkind = 'S'
    WHERE a.kind = 'S'
    UNION ALL
    SELECT a.kind, a.privilege,
           pg_catalog.format('%I.%I(%s)', w.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)),
           pg_catalog.has_function_privilege($1::name, p.oid, a.privilege)
    FROM asked a
    CROSS JOIN wanted w
    JOIN pg_catalog.pg_proc p ON p.pronamespace = w.oid
    WHERE a.kind = 'f'
    UNION ALL
    SELECT a.kind, a.privilege, pg_catalog.format('%I.%I', w.nspname, t.typname),
           pg_catalog.has_type_privilege($1::name, t.oid, a.privilege)
    FROM asked a
    CROSS JOIN wanted w
    JOIN pg_catalog.pg_type t ON t.typnamespace = w.oid
    LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    WHERE a.kind = 'T'
      AND t.typtype IN ('b', 'c', 'd', 'e', 'r')
      AND (t.typtype <> 'c' OR c.relkind = 'c')
      AND NOT (t.typlen = -1 AND t.typelem <> 0)
      AND t.typisdefined
)
SELECT kind,
       privilege,
       count(*) AS total,
       count(*) FILTER (WHERE NOT has) AS lacking,
       COALESCE((pg_catalog.array_agg(name ORDER BY name) FILTER (WHERE NOT has))[1:5], '{}') AS names
FROM answers
GROUP BY kind, privilege
ORDER BY kind, privilege
