-- The functions of a flexible server that map roles to Entra principals. On Azure they are in pg_catalog, and only in
-- database postgres. Runs there at every start; must be repeatable.
SET allow_system_table_mods = on;

-- Only a session that signed in as an Entra administrator may map roles; the password administrator may not.
CREATE OR REPLACE FUNCTION sandbox.require_entra_admin(called text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_shseclabel
                   WHERE classoid = 'pg_authid'::regclass AND objoid = quote_ident(session_user)::regrole
                     AND provider = 'pgaadauth' AND label ~ ',admin(,|$)') THEN
        RAISE EXCEPTION 'permission denied for function %', called USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION sandbox.create_principal(role_name text, object_id text, principal_type text,
                                                    is_admin boolean, is_mfa boolean) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE ROLE %I LOGIN', role_name);
    PERFORM sandbox.set_label(role_name::name, object_id, principal_type, is_admin, is_mfa);
    IF is_admin THEN
        PERFORM sandbox.make_admin(role_name::name);
    END IF;
    -- From PostgreSQL 16 on the maker of a role may manage it, and nobody else.
    IF current_setting('server_version_num')::int >= 160000 THEN
        EXECUTE format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', role_name, session_user);
    END IF;
    PERFORM sandbox.share_role(role_name::name);
    RETURN format('Created role for "%s"', role_name);
END
$$;

CREATE OR REPLACE FUNCTION pg_catalog.pgaadauth_create_principal_with_oid(
    rolename text, objectid text, objecttype text, isadmin boolean, ismfa boolean
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM sandbox.require_entra_admin('pgaadauth_create_principal_with_oid');
    RETURN sandbox.create_principal(rolename, objectid, objecttype, isadmin, ismfa);
END
$$;

CREATE OR REPLACE FUNCTION pg_catalog.pgaadauth_create_principal(rolename text, isadmin boolean, ismfa boolean)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_ids   text[];
    found_types text[];
BEGIN
    PERFORM sandbox.require_entra_admin('pgaadauth_create_principal');
    SELECT array_agg(object_id), array_agg(principal_type) INTO found_ids, found_types
    FROM sandbox.directory WHERE name = rolename;
    IF found_ids IS NULL THEN
        RAISE EXCEPTION 'Could not validate AAD user % because its name is not found in the tenant.', rolename
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF cardinality(found_ids) > 1 THEN
        RAISE EXCEPTION 'Cannot validate Microsoft Entra ID user % because its name isn''t unique.', rolename
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN sandbox.create_principal(rolename, found_ids[1], found_types[1], isadmin, ismfa);
END
$$;

-- Binds an existing role, mapped or not, to another principal. Its grants, ownership and password stay.
CREATE OR REPLACE FUNCTION pg_catalog.pgaadauth_update_principal_with_oid(
    rolename text, objectid text, objecttype text, isadmin boolean, ismfa boolean
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    target pg_roles;
BEGIN
    PERFORM sandbox.require_entra_admin('pgaadauth_update_principal_with_oid');
    SELECT * INTO target FROM pg_roles WHERE rolname = rolename::name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'role "%" does not exist', rolename USING ERRCODE = 'undefined_object';
    END IF;
    IF target.rolsuper OR target.rolname = 'azure_pg_admin' OR target.rolname ~ '^pg_' THEN
        RAISE EXCEPTION 'permission denied to alter restricted role "%"', rolename
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM sandbox.set_label(target.rolname, objectid, objecttype, isadmin, ismfa);
    IF isadmin THEN
        PERFORM sandbox.make_admin(target.rolname);
        PERFORM sandbox.share_role(target.rolname);
    END IF;
    RETURN format('Updated role for "%s"', rolename);
END
$$;

CREATE OR REPLACE FUNCTION pg_catalog.pgaadauth_list_principals(isadminvalue boolean)
RETURNS TABLE (rolname name, principaltype text, objectid text, tenantid text, ismfa integer, isadmin integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.rolname,
           substring(l.label FROM 'type=([^,]+)'),
           substring(l.label FROM 'oid=([^,]+)'),
           substring(i.label FROM 'tenant_id=([^,]+)'),
           (l.label ~ ',mfa(,|$)')::integer,
           (l.label ~ ',admin(,|$)')::integer
    FROM pg_shseclabel l
    JOIN pg_roles r ON r.oid = l.objoid
    LEFT JOIN pg_shseclabel i
           ON i.objoid = l.objoid AND i.classoid = l.classoid AND i.provider = 'pgaadauth-int'
    WHERE l.classoid = 'pg_authid'::regclass
      AND l.provider = 'pgaadauth'
      AND (NOT isadminvalue OR l.label ~ ',admin(,|$)')
    ORDER BY r.rolname
$$;

REVOKE EXECUTE ON FUNCTION
    pg_catalog.pgaadauth_create_principal_with_oid(text, text, text, boolean, boolean),
    pg_catalog.pgaadauth_create_principal(text, boolean, boolean),
    pg_catalog.pgaadauth_update_principal_with_oid(text, text, text, boolean, boolean),
    pg_catalog.pgaadauth_list_principals(boolean)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    pg_catalog.pgaadauth_create_principal_with_oid(text, text, text, boolean, boolean),
    pg_catalog.pgaadauth_create_principal(text, boolean, boolean),
    pg_catalog.pgaadauth_update_principal_with_oid(text, text, text, boolean, boolean),
    pg_catalog.pgaadauth_list_principals(boolean)
TO azure_pg_admin;

RESET allow_system_table_mods;
