"""Other programs that keep grants as described in a file, run on the same databases where they are installed."""

import json
import pathlib
import shutil
import tempfile

from server import OWNER, PASSWORD, USER

# Kind of object, its privileges.
GRANTS = [
    ("table", ["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("sequence", ["USAGE"]),
    ("function", ["EXECUTE"]),
]


class Peer:
    """A program on the PATH that reads one file. JSON is YAML, so the files are written as JSON."""

    steps = ["plan, nothing granted", "apply", "plan, nothing to do", "plan, 10 tables revoked"]

    def __init__(self, size, home):
        self.size, self.home = size, home

    def file(self, database):
        where = pathlib.Path(tempfile.mkdtemp(dir=self.home)) / f"{self.name}.yml"
        where.write_text(json.dumps(self.wanted(database)))
        return str(where)


class Pgroles(Peer):
    """https://github.com/hardbyte/pgroles: object-level differences, one GRANT per object and role."""

    name = "pgroles"

    def wanted(self, database):
        grants, defaults = [], []
        for role in self.size.roles:
            for schema in self.size.schemas:
                grants.append({"role": role, "privileges": ["USAGE"], "object": {"type": "schema", "name": schema}})
                for kind, privileges in GRANTS:
                    place = {"type": kind, "schema": schema, "name": "*"}
                    grants.append({"role": role, "privileges": privileges, "object": place})
        for schema in self.size.schemas:
            of_all = [
                {"role": role, "privileges": privileges, "on_type": kind}
                for role in self.size.roles
                for kind, privileges in GRANTS
            ]
            defaults.append({"owner": OWNER, "schema": schema, "grant": of_all})
        roles = [{"name": role, "login": True} for role in self.size.roles]
        return {"default_owner": OWNER, "roles": roles, "grants": grants, "default_privileges": defaults}

    def command(self, step, database, port):
        url = f"postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}?sslmode=disable"
        verb = "apply" if step == "apply" else "diff"
        return ["pgroles", verb, "-f", self.file(database), "--database-url", url, "--mode", "additive"], {}


class Ldap2pg(Peer):
    """https://github.com/dalibo/ldap2pg without a directory: whole schemas, one GRANT per role, schema and privilege."""

    name = "ldap2pg"

    def wanted(self, database):
        # It sets default privileges only of owners that it manages itself.
        roles = [*self.size.roles, OWNER]
        rights = ["__usage_on_schemas__", "__usage_on_sequences__", "__execute_on_functions__"]
        rights += [f"__{privilege.lower()}_on_tables__" for privilege in GRANTS[0][1]]
        grants = [
            {"privilege": "app", "database": database, "schema": schema, "role": role}
            for role in roles
            for schema in self.size.schemas
        ]
        return {
            "version": 5,
            "postgres": {
                "databases_query": [database],
                "schemas_query": self.size.schemas,
                "managed_roles_query": roles,
                "owners_query": [OWNER],
            },
            "privileges": {"app": rights},
            "sync_map": [
                {"role": {"names": self.size.roles, "options": "LOGIN"}},
                {"role": {"name": OWNER, "options": "LOGIN"}},
                {"grant": grants},
            ],
        }

    def command(self, step, database, port):
        file = self.file(database)
        mode = ["--real"] if step == "apply" else ["--check"]
        dsn = f"host=127.0.0.1 port={port} user={USER} password={PASSWORD} dbname={database} sslmode=disable"
        environment = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": USER, "PGDATABASE": database, "PGDSN": dsn}
        return ["env", *[f"{name}={value}" for name, value in environment.items()], "ldap2pg", "-c", file, *mode], {}


def installed(size, home):
    """The peers that are on the PATH."""
    return [peer(size, home) for peer in (Pgroles, Ldap2pg) if shutil.which(peer.name)]
