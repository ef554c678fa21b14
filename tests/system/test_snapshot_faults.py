"""What may happen to the snapshot: to its file, to the copying, to who copies."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time

import pymysql
import pytest

import processes
from clients import NOTFOUND, OK, TEMP
from conftest import new_folder
from processes import wait_until
from snapshots import add_domains, snapshot_sandbox, unguarded_sandbox, words


@pytest.fixture(scope="module")
def _shared(request):
    with unguarded_sandbox(request) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_shared):
    return _shared.begin()


# ---- what may happen to the file ----

def _garbage(path, octets):
    with open(path, "wb") as file:  # in place, as a careless hand does it
        file.write(octets)


def test_what_happens_to_the_file(sandbox):
    """Cut in place, garbage, another version: nobody notices who has it; after a restart it is refused."""
    add_domains(sandbox, "a.example")
    sandbox.copied()
    with open(sandbox.file, "rb") as file:
        good = file.read()
    sandbox.mariadb.kill()
    sandbox.wait_titles("answering from the snapshot")
    version = good[:-56] + b"\x09" + good[-55:]
    with sandbox.socketmap() as client:
        workers = sandbox.workers()
        for octets, says in ((good[:3000], "is no snapshot, or is cut"), (b"", "is no snapshot, or is cut"),
                             (os.urandom(5000), "is no snapshot, or is cut"),
                             (good[:2100] + b"x" + good[2101:], "is damaged"),
                             (version, "has version 9 of the format, and this lookupd knows version 2")):
            _garbage(sandbox.file, octets)
            assert client.query("relay_domains", "a.example") == (OK, "a.example")
            assert client.query("transport", "u@a.example") == (OK, "relay:")
    assert sandbox.workers() == workers
    # the last one, after a restart during the outage
    since = len(sandbox.log_text())
    sandbox.stop_lookupd()
    sandbox.start_lookupd(wait=False)
    sandbox.wait_titles("database down, answering temporary errors")
    sandbox.wait_log(f"warning: snapshot: {sandbox.file} {says}: it is not used", since=since)
    assert words(sandbox, "a.example") == [TEMP]
    _garbage(sandbox.file, good)
    sandbox.stop_lookupd()
    sandbox.start_lookupd(wait=False)
    sandbox.wait_titles("answering from the snapshot")
    assert words(sandbox, "a.example") == [OK]
    # garbage is no hindrance for the next copy
    _garbage(sandbox.file, b"garbage")
    sandbox.mariadb.start()
    wait_until(sandbox.answers, what="live")
    sandbox.copied()


def test_other_maps(sandbox):
    """After a change of a map's settings its old rows are not used; the other maps' are."""
    add_domains(sandbox, "a.example")
    sandbox.copied()
    sandbox.mariadb.kill()
    sandbox.stop_lookupd()
    with open(sandbox.conf, encoding="utf-8") as file:
        before = file.read()
    try:
        with open(sandbox.conf, "a", encoding="utf-8") as file:
            file.write('maps = { relay_domains = { query = "SELECT name, name FROM domain WHERE name IN (:domains)";'
                       ' all = "SELECT name, name FROM domain"; }; };\n')
        sandbox.start_lookupd(wait=False)
        sandbox.wait_titles("answering from the snapshot")
        assert words(sandbox, "a.example") == [TEMP]
        assert sandbox.query("transport", "u@a.example") == (OK, "relay:")
        sandbox.stop_lookupd()
    finally:
        with open(sandbox.conf, "w", encoding="utf-8") as file:
            file.write(before)
        sandbox.start_lookupd(wait=False)


def test_keys_that_are_not_folded(request):
    """Whether a lookup finds such a row is for its collation to say, and the snapshot says neither."""
    rows = "(SELECT 'Upper.Example' AS k UNION SELECT 'lower.example')"
    maps = "".join(
        f"{name} = {{ keys = \"domain\"; value = \"text\"; absent = \"notfound\"; "
        f"query = \"SELECT k, 'v' FROM (SELECT {column} AS k FROM {rows} r) t WHERE k IN (:domains)\"; "
        f"all = \"SELECT {column}, 'v' FROM {rows} r\"; }};"
        for name, column in (("binary", "BINARY k"), ("nocase", "k COLLATE utf8mb4_general_ci"),
                             ("lower", "LOWER(k)")))
    with snapshot_sandbox(request, f"maps = {{ {maps} }};") as sandbox:
        sandbox.copied()

        def ask(name):
            return [sandbox.query(name, key)[0]
                    for key in ("upper.example", "lower.example", "other.example")]

        assert [ask(name) for name in ("binary", "nocase", "lower")] == \
            [[NOTFOUND, OK, NOTFOUND], [OK, OK, NOTFOUND], [OK, OK, NOTFOUND]]
        sandbox.mariadb.kill()
        sandbox.wait_titles("answering from the snapshot")
        assert [ask(name) for name in ("binary", "nocase", "lower")] == \
            [[TEMP, OK, NOTFOUND], [TEMP, OK, NOTFOUND], [OK, OK, NOTFOUND]]
        sandbox.wait_log("snapshot: map binary: all: 1 rows have keys that are not folded")


def test_a_reload_that_turns_it_on(request):
    """What is on the disk counts: the guard holds the first copy against it, and outages begin with it."""
    with snapshot_sandbox(request, "workers = 1;") as sandbox:
        add_domains(sandbox, *(f"d{number}.example" for number in range(4)))
        sandbox.copied()
        sandbox.stop_lookupd()
        sandbox.write_conf("workers = 1;" + sandbox.settings(interval=0))
        sandbox.start_lookupd()
        sandbox.sql("DELETE FROM domain WHERE name <> 'd0.example'")
        sandbox.write_conf("workers = 1;" + sandbox.settings())
        os.kill(sandbox.lookupd.pid, signal.SIGHUP)
        sandbox.wait_log("map relay_domains had 4 rows with a value and has lost more than 50 percent of them")
        sandbox.mariadb.kill()
        sandbox.wait_titles("answering from the snapshot")
        assert words(sandbox, "d0.example", "d3.example", "other.example") == [OK, OK, TEMP]


@pytest.mark.skipif(os.getuid() != 0, reason="mounts")
def test_disk_full(request):
    """The copy is used, the file stays as it was, and a warning says so; with room again it is written."""
    folder = new_folder()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=0750", "none", folder], check=False)
    if mounted.returncode != 0:
        os.rmdir(folder)
        pytest.skip("cannot mount here")
    try:
        with snapshot_sandbox(request, "workers = 1;", snapshots=folder) as sandbox:
            add_domains(sandbox, "a.example")
            sandbox.copied()
            with contextlib.suppress(OSError), open(os.path.join(folder, "filler"), "wb", 0) as file:
                for _ in range(1000):
                    file.write(bytes(1024))
            sandbox.wait_log("No space left on device: the new copy is in use")
            taken = sandbox.taken()
            assert taken and sorted(os.listdir(folder)) == ["filler", "snapshot.cdb"]
            add_domains(sandbox, "b.example")
            sandbox.copied_in_memory()
            assert sandbox.taken() == taken and sandbox.log_text().count("No space left") == 1
            sandbox.mariadb.kill()
            sandbox.wait_titles("answering from the snapshot")
            assert words(sandbox, "a.example", "b.example") == [OK, OK]
            sandbox.stop_lookupd()
            sandbox.start_lookupd(wait=False)
            sandbox.wait_titles("answering from the snapshot")
            assert words(sandbox, "a.example", "b.example") == [OK, TEMP]
            sandbox.mariadb.start()
            os.unlink(os.path.join(folder, "filler"))
            sandbox.copied()
            sandbox.wait_log("snapshot: copied at ")
    finally:
        subprocess.run(["umount", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def test_the_folder(request):
    """A folder that cannot be written is an error of -t; a server that runs goes on without it."""
    with snapshot_sandbox(request, "workers = 1;") as sandbox:
        os.chmod(sandbox.snapshots, 0o777)
        check = [os.path.join(sandbox.programs, "lookupd"), "-t", "-c", sandbox.conf]
        done = subprocess.run(check, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 78 and "everybody may write there" in done.stderr, done.stderr
        os.chmod(sandbox.snapshots, 0o750)
        done = subprocess.run(check, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, "configuration OK\n")
        add_domains(sandbox, "a.example")
        sandbox.copied()
        shutil.rmtree(sandbox.snapshots)
        done = subprocess.run(check, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 78 and "No such file or directory" in done.stderr, done.stderr
        sandbox.wait_log("No such file or directory: the new copy is in use")
        sandbox.mariadb.kill()
        sandbox.wait_titles("answering from the snapshot")
        assert words(sandbox, "a.example") == [OK]


# ---- what may happen to the copying ----

SLOW = """workers = 1; limits = { stall = 1.0; };
maps = {
  broken = { keys = "domain"; query = "SELECT name, name FROM domain WHERE name IN (:domains)";
             all = "SELECT name, nothing FROM domain"; };
  slow = { keys = "domain"; query = "SELECT name, name FROM domain WHERE name IN (:domains)";
           all = "SELECT name, IF(SLEEP(0.05), NULL, name) FROM domain"; };
  later = { keys = "domain"; query = "SELECT name, name FROM domain WHERE name IN (:domains)";
            all = "SELECT name, name FROM domain"; };
};
"""


@pytest.fixture(scope="module")
def slow(request):
    """The copy of the map slow takes a second; that of broken fails."""
    with snapshot_sandbox(request, SLOW, guard_percent=100) as sandbox:
        add_domains(sandbox, *(f"d{number}.example" for number in range(20)))
        sandbox.copied(30)
        yield sandbox


def _copying(sandbox):
    """Waits until the map slow is being copied; the number of the session."""
    def session():
        rows = sandbox.sql("SELECT id FROM information_schema.PROCESSLIST WHERE user = 'lookupd' AND info LIKE '%SLEEP%'")
        return rows and rows[0][0]
    return wait_until(session, 15, 0.01, "a copy is being made")


def test_one_broken_map(slow):
    """It is left out, which is said; the others are copied. -t says what is wrong."""
    pattern = r"error: snapshot: map broken: all: Unknown column 'nothing' in '[\w ]+' \(1054\): this map is left out"
    wait_until(lambda: re.search(pattern, slow.log_text()))
    assert slow.log_text().count("this map is left out") == 1
    done = subprocess.run([os.path.join(slow.programs, "lookupd"), "-t", "-c", slow.conf], capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 78 and "maps.broken.all: Unknown column 'nothing'" in done.stderr
    slow.sql("UPDATE service SET answering = 'no'")
    slow.wait_titles("(maintenance)")
    assert slow.query("slow", "d1.example") == (OK, "d1.example")
    assert slow.query("broken", "d1.example")[0] == TEMP
    slow.sql("UPDATE service SET answering = 'yes'")
    slow.wait_titles(": live")


@pytest.mark.parametrize("how", ["KILL QUERY", "KILL"])
def test_killed_in_the_middle(slow, how):
    """An incomplete copy replaces nothing."""
    since = len(slow.log_text())
    session, taken = _copying(slow), slow.taken()
    with contextlib.suppress(pymysql.MySQLError):
        slow.sql(f"{how} {session}")
    slow.wait_log(": the one of ", since=since)
    assert re.search(r"snapshot: map slow: all: .*(interrupted|Lost connection|killed).*: the one of", slow.log_text()[since:])
    assert slow.taken() == taken and os.listdir(slow.snapshots) == ["snapshot.cdb"]
    slow.copied(30)


def test_one_moment(slow):
    """What is committed while a copy is made is in none of its maps."""
    _copying(slow)
    slow.sql("INSERT INTO domain (name) VALUES ('late.example')")
    taken = slow.taken()
    wait_until(lambda: slow.taken() > taken, 15, 0.01)
    slow.mariadb.kill()
    try:
        slow.wait_titles("answering from the snapshot")
        time.sleep(0.5)  # the worker may have got it a moment after the disk
        assert slow.query("later", "late.example")[0] == TEMP == slow.query("relay_domains", "late.example")[0]
        assert slow.query("later", "d1.example")[0] == OK
    finally:
        slow.mariadb.start()
        wait_until(slow.answers, what="live")


def test_keeper_killed_and_stopped(slow):
    """Another one goes on, and takes away what the first left; a stopped one is killed after limits.stall."""
    for number in (signal.SIGKILL, signal.SIGSTOP):
        keeper = slow.keeper()
        _copying(slow)
        for thread in set(os.listdir(f"/proc/{keeper}/task")) - {str(keeper)}:
            with open(f"/proc/{keeper}/task/{thread}/status", encoding="ascii") as file:
                blocked = int(re.search(r"SigBlk:\s+(\w+)", file.read())[1], 16)
            # or SIGTERM would end by way of this thread a save that the main thread keeps it from
            assert blocked & 1 << (signal.SIGTERM - 1)
        with open(os.path.join(slow.snapshots, "snapshot.cdb.new"), "w", encoding="ascii") as file:
            file.write("half a copy")
        os.kill(keeper, number)
        wait_until(lambda: slow.keeper() not in (None, keeper), 10, what="another keeper")
        slow.copied(30)
        assert os.listdir(slow.snapshots) == ["snapshot.cdb"]
        assert not processes.is_alive(keeper)
    assert re.search(r"snapshot keeper \(process \d+\) has not moved for", slow.log_text())


def test_workers_that_are_replaced_have_it(slow):
    slow.copied(30)
    slow.mariadb.kill()
    try:
        slow.wait_titles("answering from the snapshot")
        old = slow.workers()
        os.kill(old[0], signal.SIGKILL)
        wait_until(lambda: slow.workers() and slow.workers() != old)
        slow.wait_titles("answering from the snapshot")
        assert slow.query("relay_domains", "d1.example")[0] == OK
    finally:
        slow.mariadb.start()
        wait_until(slow.answers, what="live")


def test_the_parent_is_killed(request):
    """Nothing is left, in the middle of a copy too."""
    with snapshot_sandbox(request, SLOW) as sandbox:
        add_domains(sandbox, *(f"d{number}.example" for number in range(100)))
        _copying(sandbox)
        below = processes.children(sandbox.lookupd.pid)
        assert sandbox.keeper() in below
        sandbox.lookupd.kill()
        sandbox.lookupd.wait()
        sandbox.lookupd = None
        wait_until(lambda: not any(processes.is_alive(pid) for pid in below), 10, what="all have ended")
