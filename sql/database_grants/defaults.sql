-- Default privileges: what objects made tomorrow will come with. Rows without a creator are this version's built-in
-- lists, written as if the bootstrap superuser (oid 10) owned the object.
SELECT pg_catalog.pg_get_userbyid(a.defaclrole)::text AS creator,
       n.nspname::text AS schema,
       a.defaclobjtype::text AS kind,
       a.defaclacl::text AS acl
FROM pg_catalog.pg_default_acl a
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace
UNION ALL
-- acldefault() calls sequences 's'; everything else calls them 'S'.
SELECT NULL,
       NULL,
       k.kind,
       pg_catalog.acldefault(CASE k.kind WHEN 'S' THEN 's' ELSE k.kind END::"char", 10::oid)::text
FROM pg_catalog.unnest('{d,n,r,c,S,f,T,l,L}'::text[]) AS k (kind)
