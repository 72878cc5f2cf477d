-- Until when PostgreSQL takes a role's password: everybody may see that, while nobody but a superuser sees whether there is
-- one. A date that never comes is no date; the others are told in UTC.   $1 the role's name.
SELECT
    CASE
        WHEN isfinite(r.rolvaliduntil)
            THEN pg_catalog.to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00'
        ELSE nullif(r.rolvaliduntil::text, 'infinity')
    END AS valid_until,
    coalesce(r.rolvaliduntil <= pg_catalog.now(), false) AS over
FROM pg_catalog.pg_roles r
WHERE r.rolname = $1::text
