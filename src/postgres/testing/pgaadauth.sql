-- Stand-ins for Azure's functions on a stock server: the mapping is written where Azure keeps it.
SET allow_system_table_mods = on;
CREATE FUNCTION pg_catalog.pgaadauth_update_principal_with_oid(
    rolename text, objectid text, objecttype text, isadmin boolean, ismfa boolean
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET allow_system_table_mods = on AS $$
DECLARE
    id oid := (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = rolename);
BEGIN
    DELETE FROM pg_catalog.pg_shseclabel l WHERE l.objoid = id AND l.provider IN ('pgaadauth', 'pgaadauth-int');
    INSERT INTO pg_catalog.pg_shseclabel (objoid, classoid, provider, label) VALUES
        (id, 'pg_catalog.pg_authid'::regclass, 'pgaadauth', 'aadauth'),
        (id, 'pg_catalog.pg_authid'::regclass, 'pgaadauth-int',
         format('type=%s,oid=%s,tenant_id=00000000-0000-0000-0000-000000000001', objecttype, objectid));
    RETURN format('Updated role for "%s"', rolename);
END $$;
CREATE FUNCTION pg_catalog.pgaadauth_create_principal_with_oid(
    rolename text, objectid text, objecttype text, isadmin boolean, ismfa boolean
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET allow_system_table_mods = on AS $$
BEGIN
    EXECUTE format('CREATE ROLE %I LOGIN', rolename);
    PERFORM pg_catalog.pgaadauth_update_principal_with_oid(rolename, objectid, objecttype, isadmin, ismfa);
    RETURN format('Created role for "%s"', rolename);
END $$;
