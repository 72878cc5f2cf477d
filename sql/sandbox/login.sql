-- What the front must know of a role before anybody signs in to it. $1 is the name from the startup message, cut to the
-- length of a name as the server does. Runs in database postgres, by the superuser, at every sign-in.
SELECT l.label AS label,
       NOT r.rolsuper AND pg_has_role(r.oid, 'azure_pg_admin', 'MEMBER') AS admin
FROM pg_roles r
LEFT JOIN pg_shseclabel l
       ON l.objoid = r.oid AND l.classoid = 'pg_authid'::regclass AND l.provider = 'pgaadauth'
WHERE r.rolname = $1::name
