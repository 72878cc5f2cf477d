#!/usr/bin/env python3
"""Measures whether a fleet of apps is planned in the longest chain of calls, and not in the sum of all calls.

    benches/fleet.py                                  # 50 apps, 100 ms on every request of the emulator
    benches/fleet.py --apps 10 --latency 200 --runs 3

The bar: planning the fleet takes at most 1.2 times as long as planning one app of it, which makes the longest chain.
Needs python3 and a PostgreSQL server's programs. docs/performance.md says what the figures mean.
"""

import argparse
import json
import os
import pathlib
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BAR = 1.2
DEPLOYER = "55555555-5555-4555-8555-555555555555"

# What plans/fleet.toml is, for the names of the sandbox.
PLAN = """
version = 1
name = "fleet-${size}"

[variables]
size = { default = "many" }

[variables.apps]
type = "table"
default = {}

[azure]
subscription = "22222222-2222-4222-8222-222222222222"
tenant = "11111111-1111-4111-8111-111111111111"
resource_group = "rmhazure_rg"

[server.rmhpgflex]
entra_auth = true
password_auth = true
admin = { name = "pg-deployers", object_id = "33333333-3333-4333-8333-333333333333", type = "group" }

[template.app]
identity = "system"
require_settings = ["POSTGIS_HOST", "POSTGIS_DATABASE"]
settings = { USE_MANAGED_IDENTITY = "true" }
PROBE
[app."${each.key}"]
for_each = "${apps}"
extends = "app"
settings = { MANAGED_IDENTITY_NAME = { ref = "role.${each.key}.name" } }

[role."${each.key}"]
for_each = "${apps}"
name = "${each.key}-identity"
server = "rmhpgflex"
identity = { ref = "app.${each.key}.principal_id" }

[[role."${each.key}".grants]]
database = "geopgflex"
database_privileges = ["CONNECT"]
schemas = ["${each.value.schema}"]
schema = ["USAGE"]
tables = ["SELECT", "INSERT", "UPDATE", "DELETE"]
sequences = ["USAGE", "SELECT"]
functions = ["EXECUTE"]
future = true
"""
PROBE = """probe = [
  { name = "health", get = "/api/health", expect = { "status" = "healthy", "database.auth_method" = "managed_identity" } },
]
"""


class Sandbox:
    """A sandbox of this run's own, with apps in it."""

    def __init__(self, program, home):
        self.program, self.home = program, home
        self.directory = home / "sandbox"
        self.run([program, "sandbox", "up", "--detach", "--dir", self.directory], env=os.environ)
        script = f"eval \"$('{program}' sandbox env --dir '{self.directory}')\" && env -0"
        told = subprocess.run(["sh", "-c", script], env={}, capture_output=True, check=True).stdout
        self.env = dict(pair.split("=", 1) for pair in told.decode().split("\0") if "=" in pair)
        self.env |= {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1"}
        self.base = self.env["PGENTRA_SANDBOX_URL"]
        self.trust = ssl.create_default_context(cafile=self.env["SSL_CERT_FILE"])

    def run(self, command, **options):
        ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=self.home, **options)
        if ran.returncode:
            raise SystemExit(f"{command}: exit {ran.returncode}\n{ran.stdout[-3000:]}\n{ran.stderr[-3000:]}")
        return ran.stdout

    def call(self, method, path, body, headers):
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request, context=self.trust) as answer:
            return json.loads(answer.read() or b"null")

    def control(self, method, tail, body=None):
        return self.call(method, f"/_sandbox/{tail}", body, {"x-sandbox": "1"})

    def make_apps(self, names):
        group = "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/rmhazure_rg"
        sites = f"{group}/providers/Microsoft.Web/sites"
        token = self.control("POST", "token", {"object_id": DEPLOYER, "audience": self.base})["access_token"]
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        settings = self.call("POST", f"{sites}/rmhazuregeoapi/config/appsettings/list?api-version=2024-11-01", {}, headers)
        pairs = [{"name": name, "value": value} for name, value in settings["properties"].items()]
        body = {"kind": "functionapp,linux", "location": "eastus", "properties": {"siteConfig": {"appSettings": pairs}}}
        for name in names:
            self.call("PUT", f"{sites}/{name}?api-version=2024-11-01", body, headers)

    def plan(self, size):
        """Seconds that a plan takes, which has to find that nothing is to be done; and the calls it made."""
        command = [self.program, "plan", "fleet.toml", "--var-file", f"{size}.toml"]
        self.control("DELETE", "requests")
        start = time.monotonic()
        said = self.run(command, env=self.env)
        took = time.monotonic() - start
        if "No changes." not in said:
            raise SystemExit(f"{size}: not a plan with nothing to do\n{said[-3000:]}")
        return took, len(self.control("GET", "requests")["value"])

    def down(self):
        subprocess.run([str(self.program), "sandbox", "down", "--dir", str(self.directory)], capture_output=True)


def variables(home, size, names):
    """A file of variables: apps that share the database, in turn with either of its schemas."""
    apps = [f'{name} = {{ schema = "{("geo", "app")[at % 2]}" }}' for at, name in enumerate(names)]
    (home / f"{size}.toml").write_text(f'size = "{size}"\n\n[apps]\n' + "\n".join(apps) + "\n")


def measure(sandbox, chosen):
    costs, calls = {"one": [], "many": []}, {}
    sandbox.control("POST", "faults", {"path": "*", "times": 0, "action": "latency", "ms": chosen.latency})
    for turn in range(chosen.runs + 1):
        for size in costs:
            took, calls[size] = sandbox.plan(size)
            # The first round warms the caches of the machine.
            if turn:
                costs[size].append(took)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    sandbox.control("DELETE", "faults")
    return costs, calls


def report(chosen, costs, calls):
    one, many = (statistics.median(costs[size]) for size in ("one", "many"))
    ratios = [many / one for one, many in zip(costs["one"], costs["many"])]
    ratio = statistics.median(ratios)
    print(f"| apps | calls | their latency in sum, s | plan, wall s (median of {chosen.runs}) |")
    print("|--:|--:|--:|--:|")
    for count, size, wall in ((1, "one", one), (chosen.apps, "many", many)):
        print(f"| {count} | {calls[size]} | {calls[size] * chosen.latency / 1000:.1f} | {wall:.2f} |")
    verdict = "YES" if ratio <= BAR else "NO"
    print(f"\nThe fleet takes {ratio:.2f} times as long as one app ({min(ratios):.2f} to {max(ratios):.2f}); at most {BAR}: {verdict}")
    return ratio <= BAR


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / "target/release/pgentra"))
    parser.add_argument("--apps", type=int, default=50)
    parser.add_argument("--latency", type=int, default=100, help="milliseconds on every request")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--probes", action="store_true", help="with a probe of each app, which runs as a process of this machine")
    chosen = parser.parse_args()
    home = pathlib.Path(tempfile.mkdtemp(prefix="pgentra-fleet-"))
    names = [f"app-{number:02}" for number in range(chosen.apps)]
    sandbox = None
    try:
        (home / "fleet.toml").write_text(PLAN.replace("PROBE\n", PROBE if chosen.probes else ""))
        variables(home, "many", names)
        variables(home, "one", names[:1])
        sandbox = Sandbox(chosen.program, home)
        sandbox.control("POST", "knobs", {"operation_ms": 20, "retry_after": 0})
        sandbox.make_apps(names)
        sandbox.run([chosen.program, "apply", "fleet.toml", "--var-file", "many.toml", "--auto-approve"], env=sandbox.env)
        holds = report(chosen, *measure(sandbox, chosen))
    finally:
        if sandbox:
            sandbox.down()
        shutil.rmtree(home, ignore_errors=True)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
