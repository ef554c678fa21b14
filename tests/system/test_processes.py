"""Processes that are killed, stopped and starved, under a stream of lookups whose every answer is checked."""

import os
import random
import re
import selectors
import signal
import subprocess
import time

import pytest

import processes
from clients import OK, TEMP, SocketmapClient
from processes import wait_until
from stream import Stream

SANDBOX_SETTINGS = "workers = 2; limits = { stall = 1.0; };"


@pytest.fixture
def site(sandbox):
    if sandbox.lookupd.poll() is not None:  # by the test before, which has failed
        sandbox.start_lookupd()
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    wait_until(sandbox.answers, 15)
    with open(sandbox.log, "r+", encoding="utf-8") as log:
        log.truncate()
    return sandbox


def _wait_complete(sandbox, gone=(), count=2, timeout=10):
    """All workers are there and have the database, and none of those that were ended."""
    def complete():
        workers = sandbox.workers()
        return (len(workers) == count and not set(workers) & set(gone)
                and all(": live" in processes.title(pid) for pid in workers))
    wait_until(complete, timeout, what="all workers are live")


def _kill_and_stop(sandbox, turns, seed=1):
    """Kills or stops a random process below the parent, again and again."""
    chance = random.Random(seed)
    with Stream(sandbox, clients=8, tables=2) as stream:
        stream.wait_live()
        for turn in range(turns):
            victims = processes.children(sandbox.lookupd.pid)
            victim = chance.choice(victims) if turn > 1 else victims[turn % len(victims)]
            how = signal.SIGKILL if turn % 2 == 0 else signal.SIGSTOP
            stream.wait_answers(50)
            os.kill(victim, how)
            wait_until(lambda: not processes.is_alive(victim), 8, what=f"{victim} has ended ({how})")
            _wait_complete(sandbox, [victim])
            stream.wait_live(10)
            with stream.phase() as well:
                stream.wait_answers(50)
            assert well.temporary == 0, f"after turn {turn}: {well}"
    stream.check(lost=None)
    log = sandbox.log_text()
    assert "was killed by somebody" in log and "has not moved" in log
    return stream.counts


def test_killed_and_stopped(site):
    """SIGKILL and SIGSTOP of processes under load: no wrong answer, no late one, all as before after it.
    A stopped worker's clients wait for limits.stall; those of the other are served all the while."""
    counts = _kill_and_stop(site, 4)
    assert counts.lost > 0
    assert len(site.workers()) == 2


@pytest.mark.long
def test_killed_and_stopped_for_long(site):
    _kill_and_stop(site, 120, seed=7)


def test_others_while_one_stands_still(site):
    """While a worker stands still, whoever has the other is served at once; its own clients see the end
    of their connections when it is killed, and get their answers over new ones."""
    clients = [site.socketmap(timeout=10) for _ in range(40)]
    try:
        for client in clients:
            assert client.query("relay_domains", "d1.example.com")[0] == OK
        victim, other = site.workers()
        os.kill(victim, signal.SIGSTOP)
        begun = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for client in clients:
                client.send(SocketmapClient.request("relay_domains", "d1.example.com"))
                selector.register(client.socket, selectors.EVENT_READ, client)
            served, ended = [], []
            while len(served) + len(ended) < len(clients):
                assert time.monotonic() - begun < 10, (len(served), len(ended))
                for key, _ in selector.select(1):
                    selector.unregister(key.fileobj)
                    try:
                        assert key.data.answer() == (OK, "d1.example.com")
                        served.append(time.monotonic() - begun)
                    except (EOFError, ConnectionError):
                        ended.append(time.monotonic() - begun)
        assert len(served) >= 8 and len(ended) >= 8, (served, ended)
        assert max(served) < 3.0  # the deadline, and one second; seldom more than 0.05
        # a second after its last sign of life, which may have been a quarter of one before
        assert 0.7 < min(ended) and max(ended) < 5.0
        assert other in site.workers() and victim not in site.workers()
        for _ in ended:
            assert site.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")
        _wait_complete(site, [victim])
    finally:
        for client in clients:
            client.close()


def test_parent_stopped(site):
    """The parent does nothing for a while: workers serve on, and are not blamed for it afterwards."""
    workers = site.workers()
    with Stream(site) as stream:
        stream.wait_live()
        os.kill(site.lookupd.pid, signal.SIGSTOP)
        with stream.phase() as meanwhile:
            stream.wait_answers(200)
            time.sleep(2.5)  # more than twice limits.stall
        os.kill(site.lookupd.pid, signal.SIGCONT)
        time.sleep(1)
    counts = stream.check()
    assert meanwhile.temporary == 0 and counts.temporary == 0
    assert site.workers() == workers


def test_parent_killed_under_load(site):
    """Workers answer what was asked and end; nothing is left, and another lookupd takes over."""
    everybody = processes.children(site.lookupd.pid)
    with Stream(site) as stream:
        stream.wait_live()
        os.kill(site.lookupd.pid, signal.SIGKILL)
        wait_until(lambda: not any(processes.is_alive(pid) for pid in everybody), 10,
                   what="all processes have ended")
        site.lookupd.wait(5)
        assert site.processes({"lookupd"}) == []
        site.start_lookupd(wait=False)
        stream.wait_live(15)
        with stream.phase() as well:
            stream.wait_answers(50)
        assert well.temporary == 0
    stream.check(lost=None, refused=None)


def test_parent_killed_while_lookups_wait(site):
    """Workers that still answer what was asked take nobody: who comes is refused, and does not wait for
    their end."""
    site.stop_lookupd()
    site.write_conf("workers = 2; deadline = 20.0;")
    site.start_lookupd()

    def refused():
        try:
            site.socketmap().close()
        except ConnectionRefusedError:
            return True
        return False

    try:
        with site.connect() as connection, connection.cursor() as cursor, site.socketmap() as client:
            cursor.execute("LOCK TABLES domain WRITE")
            client.send(SocketmapClient.request("relay_domains", "d1.example.com"))
            wait_until(lambda: site.sql("SELECT 1 FROM information_schema.PROCESSLIST WHERE"
                                        " user = 'lookupd' AND state LIKE 'Waiting for table%'"))
            site.lookupd.kill()
            site.lookupd.wait(5)
            wait_until(refused, 10, what="a client is refused")
            cursor.execute("UNLOCK TABLES")
            assert client.answer() == (OK, "d1.example.com")
    finally:
        site.write_conf(SANDBOX_SETTINGS)
        site.start_lookupd()


@pytest.mark.parametrize("what", ["the queries", "a new configuration"])
def test_parent_killed_during_a_check(site, what):
    """What checks queries or a configuration, and may have to wait, holds no socket of clients: they
    are refused at once, and another lookupd can take over."""
    with site.connect() as connection, connection.cursor() as cursor:
        if what == "the queries":
            site.stop_lookupd()
        cursor.execute("LOCK TABLES domain WRITE")
        if what == "the queries":
            site.start_lookupd(wait=False)
        else:
            site.lookupd.send_signal(signal.SIGHUP)
        check, = wait_until(lambda: [pid for pid in processes.children(site.lookupd.pid)
                                     if processes.title(pid).startswith(f"lookupd: checking {what}")])
        os.kill(check, signal.SIGSTOP)
        wait_until(lambda: processes._stat(check)[0] == "T", what="it has stopped")
    others = set(processes.children(site.lookupd.pid)) - {check}
    try:
        os.kill(site.lookupd.pid, signal.SIGKILL)
        site.lookupd.wait(5)
        wait_until(lambda: not any(processes.is_alive(pid) for pid in others), 10,
                   what="the workers have ended")
        with pytest.raises(ConnectionRefusedError):
            site.socketmap()
        site.start_lookupd()
        assert processes.is_alive(check)
    finally:
        os.kill(check, signal.SIGCONT)
    wait_until(lambda: not processes.is_alive(check), 10, what="the check has ended")


def _limit(pid, name, most):
    """Sets a soft limit of a running process; as its own user, who always may."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        ids = {line[:3]: int(line.split()[1]) for line in file if line[:4] in ("Uid:", "Gid:")}
    as_it = {"user": ids["Uid"], "group": ids["Gid"], "extra_groups": []} if os.getuid() == 0 else {}
    subprocess.run(["prlimit", f"--pid={pid}", f"--{name}={most}:"], check=True, timeout=20, **as_it)


def _virtual_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmSize:"))


def test_memory_used_up(site):
    """No more memory for a worker: temporary answers or another worker, and never a wrong one."""
    for pid in site.workers():
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            if "libasan" in file.read():
                return  # it needs terabytes of addresses
    with Stream(site) as stream:
        stream.wait_live()
        victims = site.workers()
        for pid in victims:
            _limit(pid, "as", (_virtual_kib(pid) + 64) * 1024)
        crowd = []
        for number in range(600):  # each wants memory for a request that does not end
            client = site.raw()
            crowd.append(client)
            try:
                client.send(b"60000:relay_domains " + b"x" * 30000)
            except OSError:
                pass
        stream.wait_answers(100)
        for pid in set(victims) & set(site.workers()):
            _limit(pid, "as", "unlimited")
        for client in crowd:
            client.close()
        stream.wait_live(15)
    stream.check(lost=None)
    _wait_complete(site)


def test_no_processes_to_be_had(site):
    """fork() fails: the parent says so, tries again with pauses, and the others serve on."""
    if os.getuid() != 0:
        return  # the limit would be that of all our own processes
    victim, other = site.workers()
    _limit(site.lookupd.pid, "nproc", 1)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: "cannot fork" in site.log_text(), 10)
    assert wait_until(lambda: site.query("relay_domains", "d1.example.com")[0] in (OK, TEMP), 5)
    assert site.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")
    assert len(re.findall("cannot fork", site.log_text())) < 20
    _limit(site.lookupd.pid, "nproc", 10000)
    _wait_complete(site, [victim], timeout=15)
    assert other in site.workers()


@pytest.mark.long
def test_no_process_for_a_reload(site):
    """A reload that cannot begin comes to its end all the same, and the next one is done."""
    if os.getuid() != 0:
        return
    _limit(site.lookupd.pid, "nproc", 1)
    site.lookupd.send_signal(signal.SIGHUP)
    wait_until(lambda: "not reloaded" in site.log_text(), 60)
    _limit(site.lookupd.pid, "nproc", 10000)
    site.lookupd.send_signal(signal.SIGHUP)
    wait_until(lambda: "nothing has changed" in site.log_text(), 15)
