-- Every role, membership, label, privilege and default privilege that one database shows, a line each. A date that never
-- comes and no date are the same.
WITH acl (what, items) AS (
    SELECT format('database %I', datname), coalesce(datacl, acldefault('d', datdba)) FROM pg_database
    UNION ALL
    SELECT format('schema %I', nspname), coalesce(nspacl, acldefault('n', nspowner))
    FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
    UNION ALL
    SELECT format('%s %I.%I owned by %I', relkind, nspname, relname, pg_get_userbyid(relowner)),
           coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))
    FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'v', 'm', 'p', 'f', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT format('function %I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)),
           coalesce(proacl, acldefault('f', proowner))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT format('default of %I in %s on %s', pg_get_userbyid(defaclrole), defaclnamespace::regnamespace, defaclobjtype),
           defaclacl
    FROM pg_default_acl
)
SELECT format('%s: %s may %s%s by %s', what, coalesce(nullif(grantee, 0)::regrole::text, 'PUBLIC'), privilege_type,
              CASE WHEN is_grantable THEN ' and grant' ELSE '' END, grantor::regrole)
FROM acl, aclexplode(items)
UNION ALL
SELECT format('role %I super=%s inherit=%s createrole=%s createdb=%s login=%s limit=%s until=%s config=%s', rolname, rolsuper,
              rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolconnlimit, nullif(rolvaliduntil, 'infinity'), rolconfig)
FROM pg_roles
UNION ALL
SELECT format('role %s is a member of %s by %s admin=%s', member::regrole, roleid::regrole, grantor::regrole, admin_option)
FROM pg_auth_members
UNION ALL
SELECT format('label of %s by %s: %s', objoid::regrole, provider, label)
FROM pg_shseclabel WHERE classoid = 'pg_authid'::regclass
ORDER BY 1
