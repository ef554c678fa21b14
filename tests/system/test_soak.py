"""Memory and descriptors after very many lookups, while tables change, connections are killed, the
database restarts and the configuration is loaded anew: at the end as after the first of them."""

import contextlib
import itertools
import os
import re
import signal
import subprocess
import threading

import pymysql
import pytest

import processes
from processes import wait_until
from stream import Stream

PRESENT = 500  # of 1000 keys that the load asks
CLIENTS = 64
OURS = "SELECT id FROM information_schema.PROCESSLIST WHERE user = 'lookupd'"
# What may be more at the end: parts of the heap that are in use at another place.
SLACK = (1.1, 1024)  # a factor, and KiB


class Load:
    """tests/bench/lookups again and again: it checks each answer, and that no connection is lost.
    Temporary answers are counted apart: in an outage they come at once, and so in great numbers."""

    def __init__(self, sandbox, chunk):
        self.command = [
            os.path.join(sandbox.build, "tests", "bench", "lookups"), "-c", sandbox.conf, "-s",
            sandbox.env["SOCKETMAP"], "-p", str(PRESENT), "-k", str(2 * PRESENT), "-n", str(chunk), "-T"]
        self.chunk = chunk
        self.done, self.temporary = 0, 0
        self.enough = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        for name in itertools.cycle(("relay_domains", "transport", "relay_recipients")):
            if self.enough.is_set():
                return
            done = subprocess.run([*self.command, "-m", name, f"lookupd:{CLIENTS}"], timeout=600,
                                  capture_output=True, text=True, check=False)
            temporary = re.search(r"^temporary\t.*\t(\d+)$", done.stdout, re.M)
            if done.returncode != 0 or temporary is None:
                self.failure = done.stderr + done.stdout
                return
            self.done += self.chunk - int(temporary[1])
            self.temporary += int(temporary[1])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.thread.join(600)


def _restart(sandbox):
    sandbox.mariadb.stop(10)
    sandbox.mariadb.start()


def _crash(sandbox):
    sandbox.mariadb.kill()
    sandbox.mariadb.start()


def _reload(sandbox):
    before = sandbox.log_text().count("reloaded ")
    sandbox.lookupd.send_signal(signal.SIGHUP)
    wait_until(lambda: sandbox.log_text().count("reloaded ") > before, 20, what="reloaded")


def _kill_connections(sandbox):
    with contextlib.closing(sandbox.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(OURS)
        for (number,) in cursor.fetchall():
            with contextlib.suppress(pymysql.MySQLError):
                cursor.execute(f"KILL {number}")


def _alter(sandbox):
    sandbox.sql("ALTER TABLE domain FORCE", "FLUSH TABLES")


EVENTS = (_reload, _kill_connections, _restart, _alter, _reload, _crash)


def _go_through(sandbox, count, chunk, pause):
    """So many lookups, and all events at least once. Returns (lookups, temporary answers)."""
    with Stream(sandbox, clients=3, tables=1, pause=0.05, change_every=0.05) as stream, \
            Load(sandbox, chunk) as load:
        for number, event in enumerate(itertools.cycle(EVENTS)):
            if number >= len(EVENTS) and load.done >= count or load.failure:
                break
            event(sandbox)
            wait_until(sandbox.answers, 20, what="all workers are live")
            before = load.done
            wait_until(lambda: load.failure or load.done > before, 300, 0.1, what="lookups go on")
            load.enough.wait(pause)
    assert load.failure is None, load.failure
    stream.check()
    return load.done, load.temporary


def _private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def _has_sanitizers(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return "libasan" in file.read()


def _measure(sandbox):
    """{process: (descriptors, KiB of its own)}, when nobody asks anything and all is as it should be."""
    wait_until(sandbox.answers, 20)
    pids = [sandbox.lookupd.pid, *processes.children(sandbox.lookupd.pid)]
    connections = 2 * len(sandbox.workers())

    def are_connected():
        return len(sandbox.sql(OURS)) >= connections

    wait_until(are_connected, 20)
    seen = []  # clients that have gone are closed a moment later
    wait_until(lambda: seen.append([processes.fd_count(pid) for pid in pids])
               or len(seen) > 10 and all(counts == seen[-1] for counts in seen[-10:]),
               20, 0.05, what="descriptors are the same for half a second")
    return {pid: (processes.fd_count(pid), _private_kib(pid)) for pid in pids}


@pytest.mark.parametrize("first, more, chunk, pause", [
    (40_000, 100_000, 10_000, 0),
    pytest.param(1_000_000, 49_000_000, 500_000, 10, marks=pytest.mark.long)])
def test_soak(new_sandbox, figures, first, more, chunk, pause):
    sandbox = new_sandbox("workers = 2;")
    values = ", ".join(f"('d{number:07}.example{number % 10}.net')" for number in range(PRESENT))
    sandbox.sql(f"INSERT INTO domain (name) VALUES {values}")
    _go_through(sandbox, first, chunk, pause)
    before = _measure(sandbox)
    lookups, temporary = _go_through(sandbox, more, chunk, pause)
    after = _measure(sandbox)
    figures(f"before {before}, after {after}, {lookups} lookups and {temporary} temporary answers")
    assert set(after) == set(before), "a process has been replaced"
    for pid, (descriptors, memory) in after.items():
        assert descriptors == before[pid][0], (processes.title(pid), before[pid], after[pid])
        if not _has_sanitizers(pid):
            factor, kib = SLACK
            assert memory <= before[pid][1] * factor + kib, (processes.title(pid), before[pid], after[pid])
