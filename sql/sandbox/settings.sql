-- What the sandbox keeps for itself, in database postgres. Only the superuser azuresu can see it.
-- Runs at every start; must be repeatable.

CREATE SCHEMA IF NOT EXISTS sandbox;
REVOKE ALL ON SCHEMA sandbox FROM PUBLIC;

-- One row: how this server behaves.
CREATE TABLE IF NOT EXISTS sandbox.settings (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    tenant        text    NOT NULL,
    admin_login   name    NOT NULL,
    rights        text    NOT NULL CHECK (rights IN ('documented', 'strict')),
    entra_auth    boolean NOT NULL DEFAULT false,
    password_auth boolean NOT NULL DEFAULT true,
    seeded        boolean NOT NULL DEFAULT false
);

-- The principals of the tenant, for pgaadauth_create_principal, which finds them by name. The emulator fills it.
CREATE TABLE IF NOT EXISTS sandbox.directory (
    object_id      text PRIMARY KEY,
    name           text NOT NULL,
    principal_type text NOT NULL CHECK (principal_type IN ('user', 'group', 'service'))
);
