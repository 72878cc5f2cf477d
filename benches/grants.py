#!/usr/bin/env python3
"""Measures plans and applies of grants against what PostgreSQL itself needs, and against peers where they are installed.

    make bench                                  # builds pgentra, then runs this
    benches/grants.py --runs 7 --sizes small,medium,large
    benches/grants.py --tables 1000,10000,100000 --only pgentra,psql      # how cost grows

Needs python3, psql and a PostgreSQL server's programs. docs/performance.md says what the columns mean.
"""

import argparse
import os
import pathlib
import signal
import statistics
import sys
import tempfile

import measure
import peers
from server import PASSWORD, USER, Server, fill, wrong_answers
from workload import LARGE, MEDIUM, SMALL, Size

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = {"small": SMALL, "medium": MEDIUM, "large": LARGE}
# Name of a step, the database it starts from, whether it writes.
STEPS = [
    ("plan, nothing granted", "fresh", False),
    ("apply", "fresh", True),
    ("plan, nothing to do", "granted", False),
    ("plan, 10 tables revoked", "drifted", False),
]


class Pgentra:
    """The program under test."""

    name = "pgentra"
    steps = [step for step, _, _ in STEPS]

    def __init__(self, program, size, home):
        self.program, self.size, self.home = program, size, home

    def command(self, step, database, port):
        where = pathlib.Path(tempfile.mkdtemp(dir=self.home))
        (where / "bench.toml").write_text(self.size.plan_file(port, USER).replace("DATABASE", database))
        words = ["apply", "--auto-approve"] if step == "apply" else ["plan"]
        return [self.program, *words, str(where / "bench.toml")], {"cwd": where}


class Psql:
    """What PostgreSQL's own client needs at least: for looking, and for granting."""

    name = "psql"
    steps = ["apply", "plan, nothing to do"]

    def __init__(self, size, home):
        self.home = home
        (home / "read.sql").write_text(size.raw_read())
        (home / "grant.sql").write_text(size.fewest_grants())

    def command(self, step, database, port):
        script = "grant.sql" if step == "apply" else "read.sql"
        target = f"host=127.0.0.1 port={port} user={USER} dbname={database} sslmode=disable"
        return ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", str(self.home / script), target], {}


def one_run(server, tool, step, database):
    command, options = tool.command(step, database, server.port)
    return measure.run(server, command, env=environment(), **options)


def environment():
    return {**os.environ, "PGPASSWORD": PASSWORD, "NO_COLOR": "1", "PGENTRA_CLOUD": "public"}


def fresh_copy(server, template):
    """A database to write to. A look warms the catalog's caches on disk, as any database in use has them."""
    server.copy(template, "work")
    server.psql("work", "SELECT count(*) FROM pg_class")


def counted(server, tool, step, database):
    def start(port):
        command, options = tool.command(step, database, port)
        measure.run(server, command, env=environment(), **options)

    return measure.count(server, database, start)


def measure_size(server, size, tools, runs):
    """All steps of all tools, interleaved: each round runs everything once. Answers (tool, step) -> costs and counts."""
    costs, counts = {}, {}
    for step, template, writes in STEPS:
        having = [tool for tool in tools if step in tool.steps]
        for turn in range(runs + 1):
            for tool in having:
                database = template
                if writes:
                    fresh_copy(server, template)
                    database = "work"
                if turn == runs:
                    counts[tool.name, step] = counted(server, tool, step, database)
                    continue
                cost = one_run(server, tool, step, database)
                if cost.code not in (0, 1, 2) or (tool.name == "pgentra" and cost.code):
                    raise SystemExit(f"{tool.name}, {step}: exit {cost.code}\n{cost.output[-3000:]}")
                if writes:
                    wrong = wrong_answers(server, database, size)
                    if wrong:
                        print(f"WRONG: {tool.name}, {step}: {wrong} answers", file=sys.stderr)
                        if tool.name in ("pgentra", "psql"):
                            raise SystemExit(1)
                if tool.name == "pgentra":
                    check_report(step, cost.output)
                costs.setdefault((tool.name, step), []).append(cost)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return costs, counts


def check_report(step, output):
    """A plan that says nothing is to be done must not be the cheap way out."""
    if ("No changes." in output) != (step == "plan, nothing to do"):
        raise SystemExit(f"{step}: unexpected report\n{output[-2000:]}")


def report(size, costs, counts):
    print(f"\n### {size.tables:,} tables, {size.schema_count} schemas, {size.role_count} roles\n")
    print("| step | program | client CPU s | server CPU s | peak MiB | statements | round trips | sessions | wall s |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for (tool, step), runs in costs.items():
        middle = lambda of: statistics.median(of(cost) for cost in runs)
        turns, sessions, statements = counts[tool, step]
        print(
            f"| {step} | {tool} | {middle(lambda c: c.client):.3f} | {middle(lambda c: c.server):.3f} "
            f"| {middle(lambda c: c.memory):.1f} | {statements} | {turns} | {sessions} | {middle(lambda c: c.wall):.2f} |"
        )


def bars(costs, counts):
    """The bars at the largest size, with what they came to in this run. Answers whether all hold."""
    middle = lambda key, of: statistics.median(of(cost) for cost in costs[key])
    plan, apply = ("pgentra", "plan, nothing to do"), ("pgentra", "apply")
    memory = max(cost.memory for (tool, _), runs in costs.items() if tool == "pgentra" for cost in runs)
    looked = middle(plan, lambda c: c.both) / middle(("psql", plan[1]), lambda c: c.both)
    wrote = middle(apply, lambda c: c.server) / middle(("psql", apply[1]), lambda c: c.server)
    rows = [
        ("plan, nothing to do: client + server CPU / that of one psql that reads the same raw", looked, 1.5),
        ("plan, nothing to do: statements", counts[plan][2], 20),
        ("plan, nothing to do: round trips", counts[plan][0], 6),
        ("apply: server CPU / that of one psql with the fewest statements", wrote, 1.3),
        ("apply: round trips", counts[apply][0], 15),
        ("peak memory of any step, MiB", memory, 64),
    ]
    print("\n| bar | came to | at most | |\n|---|--:|--:|---|")
    for name, value, limit in rows:
        print(f"| {name} | {value:.2f} | {limit} | {'YES' if value <= limit else 'NO'} |")
    return all(value <= limit for _, value, limit in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / "target/release/pgentra"))
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--sizes", default="small,medium,large")
    parser.add_argument("--tables", help="numbers of tables, with 10 schemas and 10 roles, instead of --sizes")
    parser.add_argument("--only", help="programs to run, instead of all that are installed")
    chosen = parser.parse_args()
    # Ends the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if chosen.tables:
        sizes = [Size(int(tables), 10, 10) for tables in chosen.tables.split(",")]
    else:
        sizes = [SIZES[name] for name in chosen.sizes.split(",")]
    hold = True
    for size in sizes:
        server = Server()
        try:
            with tempfile.TemporaryDirectory() as home:
                fill(server, size)
                home = pathlib.Path(home)
                tools = [Psql(size, home), Pgentra(chosen.program, size, home), *peers.installed(size, home)]
                if chosen.only:
                    tools = [tool for tool in tools if tool.name in chosen.only.split(",")]
                costs, counts = measure_size(server, size, tools, chosen.runs)
        finally:
            server.stop()
        report(size, costs, counts)
        if size == LARGE:
            hold = bars(costs, counts)
    return 0 if hold else 1


if __name__ == "__main__":
    sys.exit(main())
