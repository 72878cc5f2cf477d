"""A PostgreSQL server of the benchmark's own: started, filled with a workload, measured, and stopped."""

import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

USER, PASSWORD, OWNER = "bench_admin", "bench", "app_owner"
TICKS = os.sysconf("SC_CLK_TCK")

SETTINGS = [
    "listen_addresses=127.0.0.1", "shared_buffers=512MB", "max_wal_size=8GB", "checkpoint_timeout=1h",
    "max_locks_per_transaction=256", "autovacuum=off", "jit=off", "password_encryption=scram-sha-256",
    "log_line_prefix=", "log_min_messages=log", "log_checkpoints=off",
]


def programs():
    """The directory of PostgreSQL's programs: PGENTRA_TEST_POSTGRES, or the newest that Debian has."""
    named = os.environ.get("PGENTRA_TEST_POSTGRES")
    found = [named] if named else sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
    if not found:
        raise SystemExit("no PostgreSQL server is installed: apt-get install postgresql")
    return pathlib.Path(found[-1])


class Server:
    """A cluster in a temporary directory, with password sign-in over TCP."""

    def __init__(self):
        self.bin = programs()
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pgentra-bench-", dir="/var/tmp"))
        # PostgreSQL refuses to run as root; then its own user does.
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.dir, self.user.pw_uid, self.user.pw_gid)
        self._as_server([self.bin / "initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D", self.dir / "data"])
        (self.dir / "data/pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        arguments = [str(self.bin / "postgres"), "-D", str(self.dir / "data"), "-k", str(self.dir), "-p", str(self.port)]
        for setting in SETTINGS:
            arguments += ["-c", setting]
        self.log = self.dir / "log"
        self.process = subprocess.Popen(arguments, stderr=open(self.log, "wb"), cwd="/", **self._identity())
        while "ready to accept" not in self.log.read_text():
            time.sleep(0.05)
        time.sleep(0.5)
        self.baseline = len(self._children())
        self.psql("postgres", f"CREATE ROLE {USER} LOGIN SUPERUSER PASSWORD '{PASSWORD}'; CREATE ROLE {OWNER} LOGIN")

    def _identity(self):
        if not self.user:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def _as_server(self, arguments):
        subprocess.run([str(part) for part in arguments], check=True, stdout=subprocess.DEVNULL, cwd="/", **self._identity())

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir)

    def psql(self, database, script):
        """Runs a script as the superuser, all or nothing, and answers its lines."""
        arguments = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", self.dir, "-p", str(self.port), "-U", "postgres", "-d", database]
        done = subprocess.run([str(part) for part in arguments], input=script, text=True, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"psql failed: {done.stderr}")
        return done.stdout.splitlines()

    def copy(self, template, name):
        self.psql("postgres", f'DROP DATABASE IF EXISTS {name};\nCREATE DATABASE {name} TEMPLATE {template}')

    def _children(self):
        found = []
        for stat in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(pathlib.Path(stat).read_text().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                    found.append(stat)
        return found

    def backend_seconds(self):
        """User and system time of all sessions that have ended; waits until none is left."""
        while len(self._children()) > self.baseline:
            time.sleep(0.005)
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[13]) + int(fields[14])) / TICKS


def fill(server, size):
    """Makes the databases `fresh` (nothing granted), `granted` (all granted) and `drifted` (10 tables revoked)."""
    server.psql("postgres", f"CREATE DATABASE fresh OWNER {OWNER}")
    server.psql("postgres", "\n".join(f"CREATE ROLE {role} LOGIN;" for role in size.roles))
    lines = [f"SET ROLE {OWNER};"]
    lines += [f"CREATE SCHEMA {schema};" for schema in size.schemas]
    for number in range(size.tables):
        schema = size.schemas[number % len(size.schemas)]
        lines.append(f"CREATE TABLE {schema}.t{number:06} (id int);")
        if number % 10 == 0:
            schema = size.schemas[number // 10 % len(size.schemas)]
            lines.append(f"CREATE SEQUENCE {schema}.q{number:06};")
            lines.append(f"CREATE FUNCTION {schema}.f{number:06}(int) RETURNS int LANGUAGE sql AS 'SELECT $1';")
            lines.append(f"REVOKE ALL ON FUNCTION {schema}.f{number:06} FROM PUBLIC;")
    server.psql("fresh", "\n".join(lines))
    server.psql("fresh", "VACUUM ANALYZE")
    server.copy("fresh", "granted")
    server.psql("granted", size.fewest_grants())
    server.psql("granted", "VACUUM ANALYZE")
    server.copy("granted", "drifted")
    server.psql("drifted", size.revoked_by_hand())
    for database in ("fresh", "granted", "drifted"):
        server.psql("postgres", f"CHECKPOINT")
        server.psql(database, "SELECT count(*) FROM pg_class, pg_proc LIMIT 1" if size.tables < 1000 else "SELECT 1")


def wrong_answers(server, database, size):
    """How many `has_*_privilege` answers and default privileges are not what the plan file wants."""
    roles = ", ".join(f"('{role}')" for role in size.roles)
    query = f"""
        WITH roles (role) AS (VALUES {roles}), rels AS (
            SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname ~ '^s[0-9]+$' AND c.relkind IN ('r', 'S'))
        SELECT (SELECT count(*) FROM rels, roles WHERE relkind = 'r' AND NOT (
                    has_table_privilege(role, oid, 'SELECT') AND has_table_privilege(role, oid, 'INSERT')
                AND has_table_privilege(role, oid, 'UPDATE') AND has_table_privilege(role, oid, 'DELETE')
                AND NOT has_table_privilege(role, oid, 'TRUNCATE, REFERENCES, TRIGGER')))
             + (SELECT count(*) FROM rels, roles WHERE relkind = 'S' AND NOT (
                    has_sequence_privilege(role, oid, 'USAGE') AND NOT has_sequence_privilege(role, oid, 'SELECT, UPDATE')))
             + (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, roles
                WHERE n.nspname ~ '^s[0-9]+$' AND NOT has_function_privilege(role, p.oid, 'EXECUTE'))
             + (SELECT count(*) FROM pg_namespace n, roles WHERE n.nspname ~ '^s[0-9]+$' AND NOT (
                    has_schema_privilege(role, n.oid, 'USAGE') AND NOT has_schema_privilege(role, n.oid, 'CREATE')))
             + abs({len(size.roles) * len(size.schemas)} * 6 - (
                SELECT count(*) FROM pg_default_acl d, aclexplode(d.defaclacl) a, roles
                WHERE a.grantee = role::regrole AND d.defaclrole = '{OWNER}'::regrole))"""
    return int(server.psql(database, query)[0])
