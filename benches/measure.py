"""Runs one program and tells what it cost: processor time on both sides, peak memory, round trips, statements."""

import dataclasses
import os
import re
import select
import socket
import subprocess
import tempfile
import threading
import time


@dataclasses.dataclass
class Cost:
    """What one run cost. Times in seconds, memory in MiB."""

    code: int
    wall: float
    client: float
    server: float
    memory: float
    output: str

    @property
    def both(self):
        return self.client + self.server


def peak_so_far(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return next((int(line.split()[1]) for line in status if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


def run(server, arguments, **options):
    """Runs a program to its end. Its own peak is polled as well, because what the kernel reports at the end is never
    below the size of the process that started it."""
    before, begin, peak = server.backend_seconds(), time.monotonic(), 0
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, **options)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, peak_so_far(process.pid))
            time.sleep(0.002)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    own = peak_so_far(os.getpid())
    memory = usage.ru_maxrss if usage.ru_maxrss > own else peak
    client = usage.ru_utime + usage.ru_stime
    return Cost(process.returncode, wall, client, server.backend_seconds() - before, memory / 1024, text)


class Proxy:
    """Passes connections on to the server and counts the turns of the conversation after signing in."""

    def __init__(self, port):
        self.server, self.turns, self.sessions = port, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            self.sessions += 1
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        upstream = socket.create_connection(("127.0.0.1", self.server))
        waits_for_client, signed_in, start = False, False, b""
        with client, upstream:
            while True:
                for readable in select.select([client, upstream], [], [])[0]:
                    data = readable.recv(1 << 20)
                    if not data:
                        return
                    (upstream if readable is client else client).sendall(data)
                    if readable is client:
                        # Terminate ('X') is not answered, so it is no round trip.
                        if signed_in and waits_for_client and not data.startswith(b"X\0\0\0\4"):
                            self.turns += 1
                        waits_for_client = False
                    else:
                        waits_for_client = True
                        if not signed_in:
                            start += data
                            signed_in = ready(start)


def ready(start):
    """Whether the server's first messages include ReadyForQuery."""
    at = 0
    while at + 5 <= len(start):
        if start[at : at + 1] == b"Z":
            return True
        at += 1 + int.from_bytes(start[at + 1 : at + 5], "big")
    return False


def count(server, database, start):
    """Round trips, sessions and statements of the run that `start(port)` makes through a proxy."""
    proxy = Proxy(server.port)
    server.psql("postgres", f"ALTER DATABASE {database} SET log_statement = 'all'")
    offset = server.log.stat().st_size
    start(proxy.port)
    server.backend_seconds()
    with open(server.log, "rb") as log:
        log.seek(offset)
        said = log.read().decode(errors="replace")
    server.psql("postgres", f"ALTER DATABASE {database} RESET log_statement")
    statements = len(re.findall(r"^LOG:  (?:statement|execute [^:]*):", said, re.MULTILINE))
    return proxy.turns, proxy.sessions, statements
