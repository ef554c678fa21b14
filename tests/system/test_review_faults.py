"""What a hostile review of faults and snapshot found: combinations that no test of one feature makes."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading

import pytest

from clients import OK, TEMP, SocketmapClient
from conftest import new_folder
from private_mariadb import PrivateMariaDB
from processes import wait_until
from sandbox import DATABASE, SCHEMA, Sandbox
from snapshots import add_domains, snapshot_sandbox, words

KNOWN = "known.example"


@pytest.fixture(scope="module")
def module_sandbox(request):
    """Two workers, a copy every second, a guard."""
    with snapshot_sandbox(request, "workers = 2;") as sandbox:
        sandbox.database = ('{ hosts = ( %s ); name = "%s"; user = "lookupd"; }')
        yield sandbox


@pytest.fixture
def sandbox(module_sandbox):
    """As at the start, with KNOWN and nineteen other domains in the tables and in the snapshot."""
    sandbox = module_sandbox
    if sandbox.mariadb.pid is None:
        sandbox.mariadb.start()
    sandbox.stop_lookupd()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(sandbox.file)
    sandbox.empty()
    add_domains(sandbox, KNOWN, *(f"d{number}.example" for number in range(19)))
    sandbox.write_conf("workers = 2;" + sandbox.settings())
    sandbox.start_lookupd()
    return sandbox


@pytest.fixture(scope="module")
def other_host():
    """A second server, whose tables are empty, and whose switch says that somebody works on them."""
    folder = new_folder("lookupd-mariadb-")
    server = PrivateMariaDB(folder)
    try:
        server.start()
        server.load(DATABASE, SCHEMA)
        with contextlib.closing(server.connect(database=DATABASE)) as connection, connection.cursor() as cursor:
            for statement in ("CREATE USER lookupd@localhost", "GRANT lookupd_reader TO lookupd@localhost",
                              "SET DEFAULT ROLE lookupd_reader FOR lookupd@localhost",
                              "UPDATE service SET answering = 'no'"):
                cursor.execute(statement)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Asking(threading.Thread):
    """Asks for KNOWN again and again, of both workers; keeps the answers that are no "found"."""

    def __init__(self, sandbox, clients=4):
        super().__init__(daemon=True)
        self.clients = [SocketmapClient(sandbox.env["SOCKETMAP"], 10) for _ in range(clients)]
        self.stopped = threading.Event()
        self.count, self.others, self.failure = 0, [], None

    def run(self):
        try:
            while not self.stopped.is_set():
                for client in self.clients:
                    answer = client.query("relay_domains", KNOWN)
                    self.count += 1
                    if answer[0] != OK:
                        self.others.append(answer)
        except BaseException as error:
            self.failure = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join(20)
        for client in self.clients:
            client.close()
        assert not self.is_alive() and self.failure is None, self.failure

    def wait(self, more):
        before = self.count
        wait_until(lambda: self.count >= before + more or not self.is_alive(), 20, what="answers")


# ---- the switch of a database that is new ----

def _hosts(*servers):
    return ", ".join(f'"unix:{server.socket}"' for server in servers)


def test_failover_into_maintenance(sandbox, other_host):
    """The next host is just being restored: nothing that is not there is taken from it."""
    sandbox.stop_lookupd()
    sandbox.write_conf("workers = 2; database = %s;" % (sandbox.database % (_hosts(sandbox.mariadb, other_host), DATABASE))
                       + sandbox.settings())
    sandbox.start_lookupd()
    sandbox.copied()
    with Asking(sandbox) as asking:
        asking.wait(20)
        # not killed: so one host follows the other without a moment of none
        os.kill(sandbox.mariadb.pid, signal.SIGSTOP)
        try:
            sandbox.wait_titles("(maintenance)")
            asking.wait(100)
        finally:
            os.kill(sandbox.mariadb.pid, signal.SIGCONT)
    assert not asking.others, asking.others[:5]


def test_reload_into_maintenance(sandbox):
    """The database of the new configuration is being worked on, and its tables are empty."""
    sandbox.mariadb.load("other", SCHEMA)
    sandbox.sql("UPDATE other.service SET answering = 'no'")
    with Asking(sandbox) as asking:
        asking.wait(20)
        with open(sandbox.conf, encoding="utf-8") as file:
            text = file.read()
        with open(sandbox.conf, "w", encoding="utf-8") as file:
            file.write(text.replace(f'name = "{DATABASE}"', 'name = "other"'))
        sandbox.lookupd.send_signal(signal.SIGHUP)
        sandbox.wait_log(": database\n")
        sandbox.wait_titles("maintenance")
        asking.wait(100)
    # the snapshot is of another database
    assert {answer[0] for answer in asking.others} == {TEMP}, asking.others[:5]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(sandbox.file)


def test_the_switch_is_asked_in_a_crowd(sandbox):
    """Lookups fill limits.waiting while the first connection is made: that is not what the switch says."""
    sandbox.stop_lookupd()
    since = len(sandbox.log_text())
    sandbox.write_conf("workers = 1; limits = { waiting = 2; }; deadline = 20.0; database = %s;"
                       % (sandbox.database % (_hosts(sandbox.mariadb), DATABASE)).replace("}", "timeout = 20.0; }"))
    os.kill(sandbox.mariadb.pid, signal.SIGSTOP)
    try:
        sandbox.start_lookupd(wait=False)
        wait_until(lambda: os.path.exists(sandbox.env["SOCKETMAP"]) and sandbox.workers(), 10)
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(sandbox.socketmap(30)) for _ in range(3)]
            for client in crowd:
                client.send(client.request("relay_domains", KNOWN))
            answers = [crowd[2].answer()]  # beyond the bound, at once
            os.kill(sandbox.mariadb.pid, signal.SIGCONT)
            answers += [client.answer() for client in crowd[:2]]
    finally:
        os.kill(sandbox.mariadb.pid, signal.SIGCONT)
    assert [answer[0] for answer in answers] == [TEMP, OK, OK], answers
    assert "the table service" not in sandbox.log_text()[since:]


# ---- the keeper ----

def test_guard_without_a_disk(sandbox):
    """A folder that cannot be written makes no file: that is not an administrator who has removed it."""
    sandbox.stop_lookupd()
    with contextlib.suppress(FileNotFoundError):  # when the first copy was not done yet
        os.unlink(sandbox.file)
    status = os.stat(sandbox.snapshots)
    os.chown(sandbox.snapshots, os.getuid(), os.getgid())
    os.chmod(sandbox.snapshots, 0o555)
    since = len(sandbox.log_text())
    try:
        sandbox.start_lookupd()
        sandbox.wait_log("Permission denied: the new copy is in use", since=since)
        sandbox.sql("DELETE FROM domain WHERE name <> 'd0.example'")
        sandbox.wait_log("map relay_domains had 20 rows with a value and has lost more than 50 percent", since=since)
        assert f"remove {sandbox.file}" not in sandbox.log_text()[since:]
        sandbox.mariadb.kill()
        sandbox.wait_titles("answering from the snapshot")
        assert words(sandbox, KNOWN, "d0.example") == [OK, OK]
    finally:
        os.chmod(sandbox.snapshots, 0o750)
        os.chown(sandbox.snapshots, status.st_uid, status.st_gid)


def test_two_servers_with_one_folder(sandbox, other_host):
    """The second does not put its copy in the place of the first one's, and says so."""
    wait_until(sandbox.taken, what="a copy")
    second = Sandbox(new_folder())
    with other_host.connect(database=DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE service SET answering = 'yes'")
        cursor.execute("INSERT INTO domain (name) SELECT CONCAT('other', seq, '.example') FROM seq_1_to_20")
    try:
        second.write_conf("workers = 1; database = %s;" % (sandbox.database % (_hosts(other_host), DATABASE))
                          + sandbox.settings())
        second.start_lookupd()
        wait_until(lambda: "another lookupd keeps its snapshot there" in second.log_text(), 5,
                   what="a warning:\n" + second.log_text())
        sandbox.copied()
        with open(sandbox.file, "rb") as file:
            assert KNOWN.encode() in file.read()
    finally:
        second.stop_lookupd()
        second.down()
        with other_host.connect(database=DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute("DELETE FROM domain")
            cursor.execute("UPDATE service SET answering = 'no'")
        subprocess.run(["rm", "-r", second.directory], check=True)


def test_no_data_in_the_log(sandbox):
    """A fault of `all` that quotes a row's content is told by its number."""
    sandbox.sql("SET STATEMENT sql_mode = 'STRICT_ALL_TABLES' FOR CREATE OR REPLACE FUNCTION number_of(t VARCHAR(300))"
                " RETURNS INT DETERMINISTIC RETURN t",
                "GRANT EXECUTE ON FUNCTION number_of TO lookupd_reader")
    sandbox.stop_lookupd()
    since = len(sandbox.log_text())
    sandbox.write_conf('workers = 1; maps = { counted = { keys = "domain"; query = "SELECT name, name FROM domain'
                       ' WHERE name IN (:domains)"; all = "SELECT name, number_of(name) FROM domain"; }; };'
                       + sandbox.settings())
    sandbox.start_lookupd()
    sandbox.wait_log("snapshot: map counted: all: ", since=since)
    assert ".example" not in sandbox.log_text()[since:]


def test_a_map_that_stays_broken(sandbox):
    """Its old rows keep the whole copy from being replaced, until the file is removed."""
    sandbox.sql("CREATE OR REPLACE TABLE extra (k VARCHAR(255) PRIMARY KEY)", "INSERT INTO extra VALUES ('a.example')",
                "GRANT SELECT ON extra TO lookupd_reader")
    sandbox.stop_lookupd()
    sandbox.write_conf('workers = 1; maps = { extra = { keys = "domain"; query = "SELECT k, k FROM extra WHERE k IN'
                       ' (:domains)"; all = "SELECT k, k FROM extra"; }; };' + sandbox.settings())
    sandbox.start_lookupd()
    wait_until(sandbox.taken, what="a copy")
    since = len(sandbox.log_text())
    sandbox.sql("DROP TABLE extra")
    sandbox.wait_log("doesn't exist (1146): the one of ", since=since)
    assert "this map is left out" not in sandbox.log_text()[since:]
    os.unlink(sandbox.file)
    sandbox.wait_log("doesn't exist (1146): this map is left out", since=since)
    wait_until(sandbox.taken, what="a copy")


def test_no_descriptor_for_a_snapshot(sandbox):
    """A worker that cannot take a copy says so, and goes on with the one before."""
    worker = sandbox.workers()[0]

    def limit(most):
        user, group = sandbox.account()
        as_it = {"user": user, "group": group, "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run(["prlimit", f"--pid={worker}", f"--nofile={most}:"], check=True, timeout=20, **as_it)

    since = len(sandbox.log_text())
    limit(3)
    sandbox.wait_log(": no descriptor is left for a new snapshot", since=since)
    limit(1000)
    sandbox.copied()
    sandbox.mariadb.kill()
    sandbox.wait_titles("answering from the snapshot")
    assert worker in sandbox.workers() and words(sandbox, KNOWN) == [OK]


def test_max_age_below_interval(sandbox):
    """Then there would hardly ever be a snapshot to answer from: an error of -t."""
    path = sandbox.path("ages.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write('user = "root"; group = "root"; listeners = ( { protocol = "socketmap"; address = "unix:/nowhere"; } );\n'
                   'snapshot = { directory = "/var/lib/lookupd"; interval = 3600;\nmax_age = 3600; };\n')
    done = subprocess.run([os.path.join(sandbox.programs, "lookupd"), "-t", "-c", path], capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode == 78 and "ages.conf:3: snapshot.max_age" in done.stderr, done.stderr
