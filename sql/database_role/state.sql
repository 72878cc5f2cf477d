-- One role: its attributes, its Entra mapping and its direct memberships. Run in any database; roles are cluster-wide.
-- $1 is the role's name. Flexible servers keep the mapping in pg_shseclabel: provider pgaadauth shows
-- 'aadauth[,oid=...,type=...][,admin]', provider pgaadauth-int 'type=...,oid=...,tenant_id=...'.
SELECT
    r.oid::int8 AS oid,
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
    ARRAY(
        SELECT DISTINCT g.rolname::text
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
        WHERE m.member = r.oid
        ORDER BY 1
    ) AS member_of
FROM pg_catalog.pg_roles r
WHERE r.rolname = $1::text
