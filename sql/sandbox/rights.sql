-- What administrators may do with the roles of others.
--   documented: members of azure_pg_admin manage every non-restricted role and reach the objects it owns. Stock
--               PostgreSQL has no such rule; memberships with the admin option come to the same.
--   strict:     stock PostgreSQL, nothing more.
-- Runs in database postgres at every start; must be repeatable.

-- Which role is shared with whom under `documented`. Administrators cannot be shared with azure_pg_admin, of which they
-- are members; the administrator login is shared with the Entra administrators instead.
CREATE OR REPLACE VIEW sandbox.shares AS
SELECT r.oid AS role, r.rolname AS role_name, a.oid AS receiver, a.rolname AS receiver_name
FROM pg_roles r
CROSS JOIN pg_roles a
WHERE a.rolname = 'azure_pg_admin'
  AND r.oid <> a.oid
  AND NOT r.rolsuper
  AND NOT r.rolreplication
  AND r.rolname !~ '^pg_'
  AND NOT pg_has_role(r.oid, a.oid, 'MEMBER')
UNION ALL
SELECT r.oid, r.rolname, a.oid, a.rolname
FROM sandbox.settings s
JOIN pg_roles r ON r.rolname = s.admin_login
JOIN pg_shseclabel l ON l.classoid = 'pg_authid'::regclass AND l.provider = 'pgaadauth' AND l.label ~ ',admin(,|$)'
JOIN pg_roles a ON a.oid = l.objoid
WHERE a.oid <> r.oid
  AND NOT a.rolsuper
  AND NOT pg_has_role(r.oid, a.oid, 'MEMBER');

CREATE OR REPLACE FUNCTION sandbox.share(role_name name, receiver_name name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT %I TO %I WITH ', role_name, receiver_name)
         || CASE WHEN current_setting('server_version_num')::int >= 160000
                 THEN 'ADMIN TRUE, INHERIT TRUE, SET TRUE'
                 ELSE 'ADMIN OPTION' END;
END
$$;

-- Shares what is not shared yet. Called when an administrator signs in. Two sign-ins at once must not grant the same
-- twice; who comes second has nothing left to do. A sign-in does not wait for somebody's open transaction.
CREATE OR REPLACE FUNCTION sandbox.share_roles() RETURNS void LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
    missing record;
BEGIN
    PERFORM pg_advisory_xact_lock(7041776);
    IF (SELECT rights FROM sandbox.settings) = 'strict' THEN
        RETURN;
    END IF;
    FOR missing IN
        SELECT role_name, receiver_name FROM sandbox.shares s
        WHERE NOT EXISTS (SELECT FROM pg_auth_members m
                          WHERE m.roleid = s.role AND m.member = s.receiver AND m.admin_option)
        ORDER BY s.role, s.receiver
    LOOP
        PERFORM sandbox.share(missing.role_name, missing.receiver_name);
    END LOOP;
END
$$;

-- Shares one role that was just made.
CREATE OR REPLACE FUNCTION sandbox.share_role(made name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT rights FROM sandbox.settings) = 'documented' THEN
        PERFORM sandbox.share(role_name, receiver_name) FROM sandbox.shares WHERE made IN (role_name, receiver_name);
    END IF;
END
$$;

-- Ends the sharing of a role with azure_pg_admin, so that it can become a member of it. Its own members become
-- administrators with it and are not shared any more either.
CREATE OR REPLACE FUNCTION sandbox.unshare(ended name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    shared name;
BEGIN
    FOR shared IN
        SELECT r.rolname
        FROM pg_auth_members m
        JOIN pg_roles r ON r.oid = m.roleid
        WHERE m.member = 'azure_pg_admin'::regrole AND pg_has_role(r.oid, quote_ident(ended)::regrole, 'MEMBER')
        ORDER BY r.oid
    LOOP
        EXECUTE format('REVOKE %I FROM azure_pg_admin CASCADE', shared);
    END LOOP;
END
$$;

-- Switches between the two at run time. Grants that leaned on a share go with it.
CREATE OR REPLACE FUNCTION sandbox.set_rights(wanted text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    shared record;
BEGIN
    UPDATE sandbox.settings SET rights = wanted;
    IF wanted = 'documented' THEN
        PERFORM sandbox.share_roles();
        RETURN;
    END IF;
    FOR shared IN
        SELECT s.role_name, s.receiver_name FROM sandbox.shares s
        JOIN pg_auth_members m ON m.roleid = s.role AND m.member = s.receiver
        ORDER BY s.role, s.receiver
    LOOP
        EXECUTE format('REVOKE %I FROM %I CASCADE', shared.role_name, shared.receiver_name);
    END LOOP;
END
$$;
