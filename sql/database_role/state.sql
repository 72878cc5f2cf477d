-- Roles: their attributes, Entra mappings and direct memberships. Run in any database; roles are cluster-wide.
-- $1 the roles' names; one that is not there has no row. Flexible servers keep the mapping in pg_shseclabel: provider pgaadauth shows
-- 'aadauth[,oid=...,type=...][,admin]', provider pgaadauth-int 'type=...,oid=...,tenant_id=...'.
SELECT
    r.oid::int8 AS oid,
    r.rolname::text AS name,
    r.rolcanlogin AS login,
    r.rolsuper AS superuser,
    r.rolreplication AS replication,
    r.rolbypassrls AS bypass_rls,
    r.rolcreatedb AS create_db,
    r.rolcreaterole AS create_role,
    r.rolinherit AS inherit,
    r.rolconnlimit::int8 AS connection_limit,
    ARRAY(
        SELECT l.label
        FROM pg_catalog.pg_shseclabel l
        WHERE l.objoid = r.oid
          AND l.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass
          AND l.provider IN ('pgaadauth', 'pgaadauth-int')
        ORDER BY l.provider
    ) AS labels,
    -- As JSON, because the options INHERIT and SET are columns of version 16: earlier ones answer nothing for them.
    COALESCE((
        SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
            'role', g.rolname::text,
            'admin', m.admin_option,
            'inherit', pg_catalog.to_jsonb(m) -> 'inherit_option',
            'set', pg_catalog.to_jsonb(m) -> 'set_option',
            'grantor', pg_catalog.pg_get_userbyid(m.grantor)::text
        ))
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
        WHERE m.member = r.oid
    ), '[]')::text AS member_of
FROM pg_catalog.pg_roles r
WHERE r.rolname = ANY ($1::text[])
