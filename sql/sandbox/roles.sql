-- The built-in roles of a flexible server, and the two password roles that a migration starts from.
-- Runs in database postgres until the seeding is complete; the names and passwords come as settings of the session.

DO $$
DECLARE
    admin_login text := current_setting('sandbox.admin_login');
    app_login   text := current_setting('sandbox.app_login');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'azure_pg_admin') THEN
        CREATE ROLE azure_pg_admin NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = admin_login) THEN
        EXECUTE format('CREATE ROLE %I LOGIN CREATEROLE CREATEDB PASSWORD %L IN ROLE azure_pg_admin',
                       admin_login, current_setting('sandbox.admin_password'));
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = app_login) THEN
        EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', app_login, current_setting('sandbox.app_password'));
        -- As if the administrator login had made it: from PostgreSQL 16 on the maker of a role may manage it.
        IF current_setting('server_version_num')::int >= 160000 THEN
            EXECUTE format('GRANT %I TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', app_login, admin_login);
        END IF;
    END IF;
END
$$;
