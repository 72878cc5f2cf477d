"""The workload: which roles get what on how many objects, as a plan file, as psql scripts, and as the peers' files."""

import dataclasses

OWNER = "app_owner"


@dataclasses.dataclass(frozen=True)
class Size:
    """S schemas, T tables, T/10 sequences, T/10 functions and R roles."""

    tables: int
    schema_count: int
    role_count: int

    @property
    def schemas(self):
        return [f"s{number:02}" for number in range(1, self.schema_count + 1)]

    @property
    def roles(self):
        return [f"app{number:02}" for number in range(1, self.role_count + 1)]

    def plan_file(self, port, user):
        """A plan file that holds nothing but grants for roles that are there, signed in to with a password."""
        schemas = ", ".join(f'"{schema}"' for schema in self.schemas)
        rules = "\n".join(
            f'  {{ role = "{role}", schemas = [{schemas}], schema = ["USAGE"], '
            'tables = ["SELECT", "INSERT", "UPDATE", "DELETE"], sequences = ["USAGE"], functions = ["EXECUTE"], '
            "future = true },"
            for role in self.roles
        )
        return f"""version = 1
name = "bench"

[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "bench"

[server.bench]
host = "127.0.0.1"
port = {port}
tls = "disable"
connections = [{{ name = "admin", user = "{user}", password = {{ env = "PGPASSWORD" }} }}]

[resource.database_grants.work]
server = "bench"
database = "DATABASE"
grants = [
{rules}
]
"""

    def fewest_grants(self):
        """The same with the fewest statements that PostgreSQL allows, in one transaction."""
        schemas, roles = ", ".join(self.schemas), ", ".join(self.roles)
        return f"""BEGIN;
GRANT USAGE ON SCHEMA {schemas} TO {roles};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schemas} TO {roles};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schemas} TO {roles};
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA {schemas} TO {roles};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA {schemas} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {roles};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA {schemas} GRANT USAGE ON SEQUENCES TO {roles};
ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA {schemas} GRANT EXECUTE ON ROUTINES TO {roles};
COMMIT;
"""

    def raw_read(self):
        """The raw access control lists and names of the same catalogs: what any tool has to read at least. Of columns,
        types and languages, of which the plan file says nothing, only those that have a list of their own."""
        schemas = ", ".join(f"'{schema}'" for schema in self.schemas)
        inside = f"(SELECT oid FROM pg_namespace WHERE nspname IN ({schemas}))"
        return f"""SELECT oid, rolname FROM pg_roles;
SELECT datname, datdba, datacl FROM pg_database WHERE datname = current_database();
SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname IN ({schemas});
SELECT oid, relname, relnamespace, relkind, relowner, relacl FROM pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relnamespace IN {inside};
SELECT oid, proname, pronamespace, proowner, proacl, oidvectortypes(proargtypes) FROM pg_proc WHERE pronamespace IN {inside};
SELECT attrelid, attname, attacl FROM pg_attribute WHERE attacl IS NOT NULL;
SELECT oid, typname, typnamespace, typowner, typacl FROM pg_type WHERE typacl IS NOT NULL;
SELECT oid, lanname, lanowner, lanacl FROM pg_language WHERE lanacl IS NOT NULL;
SELECT classid, objid FROM pg_depend WHERE deptype = 'e';
SELECT defaclrole, defaclnamespace, defaclobjtype, defaclacl FROM pg_default_acl;
"""

    def revoked_by_hand(self):
        tables = [f"{self.schemas[number % self.schema_count]}.t{number:06}" for number in range(10)]
        return f"REVOKE SELECT ON {', '.join(tables)} FROM {self.roles[0]};"


SMALL, MEDIUM, LARGE = Size(100, 2, 1), Size(1_000, 5, 5), Size(10_000, 10, 10)
