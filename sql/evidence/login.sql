-- Whether one role may log in, and its sessions: since when, and from where. A session whose start nobody may see (no
-- pg_read_all_stats) has a NULL backend_start; it is listed all the same.   $1 the role's name.
SELECT
    r.rolcanlogin AS may_login,
    a.pid AS pid,
    (extract(epoch FROM a.backend_start) * 1000000)::int8 AS since,
    CASE
        WHEN a.client_addr IS NOT NULL THEN pg_catalog.host(a.client_addr)
        WHEN a.client_port = -1 THEN 'the server itself'
    END AS client,
    a.datname::text AS database,
    a.application_name AS application
FROM pg_catalog.pg_roles r
LEFT JOIN pg_catalog.pg_stat_activity a ON a.usesysid = r.oid
WHERE r.rolname = $1::text
ORDER BY a.backend_start, a.pid
