-- The mapping of a role to an Entra principal: two shared security labels, as on a flexible server.
--   provider pgaadauth       aadauth,oid=<object id>,type=user|group|service[,admin][,mfa]
--   provider pgaadauth-int   type=user|group|service,oid=<object id>,tenant_id=<tenant>
-- Stock PostgreSQL takes SECURITY LABEL only for loaded providers, so the rows are written directly; DROP ROLE removes
-- them by itself. Runs in database postgres at every start; must be repeatable.

CREATE OR REPLACE FUNCTION sandbox.remove_label(role_name name) RETURNS void LANGUAGE plpgsql
SET allow_system_table_mods = on AS $$
BEGIN
    DELETE FROM pg_catalog.pg_shseclabel
    WHERE classoid = 'pg_authid'::regclass
      AND objoid = quote_ident(role_name)::regrole
      AND provider IN ('pgaadauth', 'pgaadauth-int');
END
$$;

CREATE OR REPLACE FUNCTION sandbox.set_label(role_name name, object_id text, principal_type text, is_admin boolean,
                                             is_mfa boolean) RETURNS void LANGUAGE plpgsql
SET allow_system_table_mods = on AS $$
BEGIN
    IF (object_id ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$') IS NOT TRUE THEN
        RAISE EXCEPTION 'invalid object id "%"', object_id
            USING ERRCODE = 'invalid_parameter_value', HINT = 'An object id is a GUID.';
    END IF;
    IF (principal_type IN ('user', 'group', 'service')) IS NOT TRUE THEN
        RAISE EXCEPTION 'invalid object type "%"', principal_type
            USING ERRCODE = 'invalid_parameter_value', HINT = 'An object type is "user", "group" or "service".';
    END IF;
    PERFORM sandbox.remove_label(role_name);
    INSERT INTO pg_catalog.pg_shseclabel (objoid, classoid, provider, label)
    SELECT quote_ident(role_name)::regrole, 'pg_authid'::regclass, made.provider, made.label
    FROM sandbox.settings s
    CROSS JOIN LATERAL (VALUES
        ('pgaadauth', format('aadauth,oid=%s,type=%s', lower(object_id), principal_type)
                      || CASE WHEN is_admin THEN ',admin' ELSE '' END
                      || CASE WHEN is_mfa THEN ',mfa' ELSE '' END),
        ('pgaadauth-int', format('type=%s,oid=%s,tenant_id=%s', principal_type, lower(object_id), s.tenant))
    ) AS made (provider, label);
END
$$;

-- Makes a role an administrator: the rights that a flexible server gives one.
CREATE OR REPLACE FUNCTION sandbox.make_admin(role_name name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sandbox.unshare(role_name);
    EXECUTE format('ALTER ROLE %I CREATEROLE CREATEDB', role_name);
    IF NOT pg_has_role(role_name, 'azure_pg_admin', 'MEMBER') THEN
        EXECUTE format('GRANT azure_pg_admin TO %I', role_name);
    END IF;
END
$$;

-- The control plane adds an Entra administrator; an existing role of that name is mapped.
CREATE OR REPLACE FUNCTION sandbox.add_admin(role_name text, object_id text, principal_type text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name::name) THEN
        EXECUTE format('CREATE ROLE %I LOGIN', role_name);
    END IF;
    PERFORM sandbox.make_admin(role_name::name);
    PERFORM sandbox.set_label(role_name::name, object_id, principal_type, true, false);
    PERFORM sandbox.share_roles();
END
$$;

-- The control plane removes an Entra administrator; the role stays, nobody can sign in to it with a token.
CREATE OR REPLACE FUNCTION sandbox.remove_admin(gone text) RETURNS void LANGUAGE sql AS $$
    SELECT sandbox.remove_label(r.rolname)
    FROM pg_shseclabel l
    JOIN pg_roles r ON r.oid = l.objoid
    WHERE l.classoid = 'pg_authid'::regclass
      AND l.provider = 'pgaadauth'
      AND l.label ~ ',admin(,|$)'
      AND substring(l.label FROM 'oid=([^,]+)') = lower(gone)
$$;
