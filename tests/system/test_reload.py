"""SIGHUP: a new configuration in place, while lookups go on, or the old one and a reason in the log."""

import contextlib
import os
import re
import signal
import socket
import threading
import time

import pytest

import processes
from clients import NOTFOUND, OK, TEMP, SocketmapClient, TcpTableClient
from processes import wait_until
from sandbox import Sandbox, free_ports, top_level
from stream import Stream

SANDBOX_SETTINGS = "workers = 2;"

EXTRA = """{ keys = "exact"; query = "SELECT 'k', '%s' FROM dual WHERE 'k' IN (:key)"; }"""
SLOW = """{ keys = "exact"; query = "SELECT 'k', CONCAT('%s', SLEEP(%s)) FROM dual WHERE 'k' IN (:key)"; }"""
ENDS = ("reloaded ", "not reloaded")


class Reloading:
    """A sandbox whose lookupd.conf is changed setting by setting."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        with open(sandbox.conf, encoding="utf-8") as file:
            self.original = file.read()
        self.settings = {name: text.strip().lstrip("=").strip().rstrip(";").rstrip()
                         for name, text in top_level(self.original).items()}

    def text(self, **changes):
        """None: without this setting."""
        return "".join(f"{name} = {value};\n" for name, value in {**self.settings, **changes}.items()
                       if value is not None)

    def listeners(self, *more, without=None, change=None):
        """The sandbox's listeners, and more."""
        groups = [group for group in re.findall(r"\{[^{}]*\}", self.settings["listeners"])
                  if without is None or without not in group]
        if change:
            groups = [group.replace(*change) for group in groups]
        return f"( {', '.join([*groups, *more])} )"

    def database(self, old, new):
        assert old in self.settings["database"]
        return self.settings["database"].replace(old, new)

    def write(self, text):
        with open(self.sandbox.conf + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.sandbox.conf + ".new", 0o644)
        os.replace(self.sandbox.conf + ".new", self.sandbox.conf)

    def ends(self):
        return sum(self.sandbox.log_text().count(end) for end in ENDS)

    def hup(self):
        self.sandbox.lookupd.send_signal(signal.SIGHUP)

    def signal(self, timeout=15):
        """SIGHUP; returns what the log says until it has come to an end."""
        before, seen = self.ends(), len(self.sandbox.log_text())
        self.hup()
        wait_until(lambda: self.ends() > before, timeout, what="reloaded, or not")
        return self.sandbox.log_text()[seen:]

    def good(self, **changes):
        self.write(self.text(**changes))
        log = self.signal()
        assert "not reloaded" not in log, log
        wait_until(self.sandbox.answers, 10, what="all workers live")
        return log

    def bad(self, text, reason):
        """text: None leaves the file as it is."""
        if text is not None:
            self.write(text)
        log = self.signal()
        assert "not reloaded" in log, log
        assert re.search(reason, log), log
        return log

    def restore(self):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(self.sandbox.conf)
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(self.sandbox.conf)
        self.write(self.original)
        log = self.signal()
        assert "not reloaded" not in log, log

    def pids(self):
        return [self.sandbox.lookupd.pid, *self.sandbox.workers()]

    def resources(self):
        """What must not grow: processes, descriptors of each, connections of the database."""
        return (len(processes.children(self.sandbox.lookupd.pid)),
                [processes.fd_count(pid) for pid in self.pids()], len(self.connections()))

    def connections(self):
        rows = self.sandbox.sql("SELECT id, user FROM information_schema.PROCESSLIST"
                                " WHERE user NOT IN ('root', 'system user')")
        return dict(rows)


def _wait_quiet(reloading, expected):
    """Until the resources are as expected; clients and connections go a moment later."""
    try:
        wait_until(lambda: reloading.resources() == expected, 15, what=f"resources {expected}")
    except AssertionError as error:
        raise AssertionError(f"{error}: {reloading.resources()}") from None


@pytest.fixture
def reloading(sandbox):
    each = Reloading(sandbox)
    yield each
    each.restore()
    wait_until(sandbox.answers, 10, what="all workers live")


@pytest.fixture
def stream(reloading):
    with Stream(reloading.sandbox, pause=0.02, reuse=10**9) as each:
        each.wait_live()
        yield each
    counts = each.check()
    assert counts.temporary == 0, counts


def _statements(sandbox):
    """Prepared ones, of all connections."""
    return int(sandbox.sql("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'")[0][1])


# ---- changes, each by itself, with clients whose connections must not break ----

def test_maps(reloading, stream):
    sandbox = reloading.sandbox
    assert sandbox.query("extra", "k")[0] == TEMP
    assert "maps" in reloading.good(maps="{ extra = %s; }" % (EXTRA % "one"))
    with sandbox.socketmap() as client:
        assert client.query("extra", "k") == (OK, "one")
        reloading.good(maps="{ extra = %s; }" % (EXTRA % "two"))
        assert client.query("extra", "k") == (OK, "two")
        reloading.good(recipient_delimiter='"-"')
        word, text = client.query("extra", "k")
        assert (word, "no map" in text) == (TEMP, True)
    # statements of maps that have gone do not stay with the connection
    stream.wait_answers(200)
    before = _statements(sandbox)
    for number in range(6):
        reloading.good(maps="{ extra = %s; }" % (EXTRA % number))
        stream.wait_answers(50)
    assert _statements(sandbox) < 2 * before


def test_limits_and_times(reloading, stream):
    sandbox = reloading.sandbox
    assert "limits" in reloading.good(limits="{ request_timeout = 0.3; clients = 20; }")
    with sandbox.raw() as client:
        client.send(b"30:relay_domains ex")
        assert client.socket.recv(100).startswith(b"42:TEMP the request was not completed in time")
    reloading.good(deadline="3.0")
    stream.wait_live()


def test_listeners_come_and_go(reloading, stream, folder):
    sandbox = reloading.sandbox
    port, = free_ports(1)
    path = os.path.join(folder, "more")
    os.chmod(folder, 0o777)
    inode = os.stat(sandbox.env["SOCKETMAP"]).st_ino
    before = reloading.resources()[1]
    reloading.good(listeners=reloading.listeners(
        '{ protocol = "tcp_table"; address = "inet:127.0.0.1:%d"; map = "relay_domains"; }' % port,
        '{ protocol = "socketmap"; address = "unix:%s"; mode = "0666"; }' % path))
    sandbox.sql("INSERT INTO domain (name) VALUES ('example.com')")
    with TcpTableClient(f"127.0.0.1:{port}") as table, SocketmapClient(path) as other:
        assert table.query("example.com") == (OK, "example.com")
        assert other.query("relay_domains", "example.com") == (OK, "example.com")
        assert os.stat(path).st_mode & 0o777 == 0o666
        reloading.good(listeners=reloading.listeners())
        assert not os.path.exists(path)
        with pytest.raises(ConnectionRefusedError):
            TcpTableClient(f"127.0.0.1:{port}")
        # who is there stays: it may be a Postfix process that lives for a long time
        assert table.query("example.com") == (OK, "example.com")
        assert other.query("relay_domains", "x.example") == (NOTFOUND, "")
    assert os.stat(sandbox.env["SOCKETMAP"]).st_ino == inode
    wait_until(lambda: reloading.resources()[1] == before, 10, what=f"descriptors {before}")
    stream.wait_answers(100)


def test_listener_changes(reloading, stream):
    """The same address with another map, protocol, mode or list of networks."""
    sandbox = reloading.sandbox
    sandbox.sql("INSERT INTO domain (name) VALUES ('example.com')",
                "INSERT INTO alias (address, goto) VALUES ('a@example.com', 'b@example.com')")
    port, = free_ports(1)
    one = '{ protocol = "tcp_table"; address = "inet:127.0.0.1:%d"; map = "%s"; %s }'
    reloading.good(listeners=reloading.listeners(one % (port, "virtual_aliases", "")))
    with TcpTableClient(f"127.0.0.1:{port}") as client:
        assert client.query("a@example.com") == (OK, "b@example.com")
        reloading.good(listeners=reloading.listeners(one % (port, "relay_domains", "")))
        assert client.query("example.com") == (OK, "example.com")
        # of another protocol by now: for those who come
        reloading.good(listeners=reloading.listeners(
            '{ protocol = "socketmap"; address = "inet:127.0.0.1:%d"; }' % port))
        assert client.query("example.com") == (OK, "example.com")
        with SocketmapClient(f"127.0.0.1:{port}") as other:
            assert other.query("relay_domains", "example.com") == (OK, "example.com")
        reloading.good(listeners=reloading.listeners(
            one % (port, "relay_domains", 'allow = ( "192.0.2.0/24" );')))
        assert client.is_closed()
    path = sandbox.env["SOCKETMAP"]
    inode = os.stat(path).st_ino
    reloading.good(listeners=reloading.listeners(change=('"0666"', '"0600"')))
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.stat(path).st_ino == inode
    reloading.good()
    assert os.stat(path).st_mode & 0o777 == 0o666
    os.chmod(path, 0o600)  # by somebody
    reloading.good()
    assert os.stat(path).st_mode & 0o777 == 0o666
    stream.wait_answers(100)


def test_a_table_whose_map_has_gone_is_closed(reloading):
    port, = free_ports(1)
    listener = '{ protocol = "tcp_table"; address = "inet:127.0.0.1:%d"; map = "extra"; }' % port
    reloading.good(maps="{ extra = %s; }" % (EXTRA % "one"), listeners=reloading.listeners(listener))
    with TcpTableClient(f"127.0.0.1:{port}") as client:
        assert client.query("k") == (OK, "one")
        reloading.good()
        assert client.is_closed()


def test_a_socket_that_somebody_removed_is_there_again(reloading, folder):
    os.chmod(folder, 0o777)
    path = os.path.join(folder, "more")
    more = '{ protocol = "socketmap"; address = "unix:%s"; }' % path
    reloading.good(listeners=reloading.listeners(more))
    os.unlink(path)
    reloading.good(listeners=reloading.listeners(more))
    with SocketmapClient(path) as client:
        assert client.query("relay_domains", "x.example") == (NOTFOUND, "")


def test_workers(reloading):
    sandbox = reloading.sandbox
    with Stream(sandbox, pause=0.02, reuse=20) as stream:
        stream.wait_live()
        reloading.good(workers="4")
        assert len(sandbox.workers()) == 4
        assert stream.counts.lost == stream.counts.temporary == 0, stream.counts
        reloading.good(workers="1")
        wait_until(lambda: len(sandbox.workers()) == 1, 10, what="one worker")
        reloading.good()
        assert len(sandbox.workers()) == 2
        stream.wait_live()
    # those of the workers that have gone connect anew, as after an idle time
    counts = stream.check(lost=None)
    assert counts.temporary == 0, counts


def test_database_settings(reloading, stream, folder):
    """New sessions, by another account; what was connected before goes."""
    sandbox = reloading.sandbox
    option_file = os.path.join(folder, "my.cnf")

    def credentials(password):
        with open(option_file, "w", encoding="utf-8") as file:
            file.write(f"[client]\nuser = other\npassword = {password}\n")
        os.chmod(option_file, 0o600)
        if os.getuid() == 0:
            os.chown(option_file, *_account())

    sandbox.sql("CREATE OR REPLACE USER other@localhost IDENTIFIED BY 'first-secret'",
                "GRANT lookupd_reader TO other@localhost",
                "SET DEFAULT ROLE lookupd_reader FOR other@localhost")
    before = reloading.connections()
    credentials("first-secret")
    with_file = reloading.database("user =", f'option_file = "{option_file}"; connections = 3; user =')
    log = reloading.good(database=with_file)
    assert "database" in log
    wait_until(lambda: list(reloading.connections().values()) == ["other"] * 6, 10,
               what="six connections of the other account")
    assert not set(before) & set(reloading.connections())

    sandbox.sql("SET PASSWORD FOR other@localhost = PASSWORD('second-secret')")
    credentials("second-secret")
    reloading.good(database=with_file)
    wait_until(lambda: len(reloading.connections()) == 6, 10, what="six connections")
    credentials("wrong-secret")
    reloading.bad(None, r"Access denied .*\(1045\)")
    stream.wait_live()
    reloading.restore()
    wait_until(lambda: sorted(reloading.connections().values()) == sorted(before.values()), 10,
               what="the connections of the beginning")
    assert "secret" not in sandbox.log_text()


def _account():
    import grp
    import pwd
    user, group = Sandbox.account()
    return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid


def test_lookups_under_way_end_as_they_began(reloading):
    """By the maps, and with the deadline, of their time, though the connection is one of before."""
    sandbox = reloading.sandbox
    reloading.good(maps="{ slow = %s; }" % (SLOW % ("old", "0.8")))
    with sandbox.socketmap() as client:
        client.query("slow", "first")  # prepared
        client.send(SocketmapClient.request("slow", "k"))
        wait_until(lambda: sandbox.sql("SELECT 1 FROM information_schema.PROCESSLIST"
                                       " WHERE info LIKE '%SLEEP(0.8)%' AND user = 'lookupd'"), 5)
        reloading.good(maps="{ slow = %s; }" % (SLOW % ("new", "0")), deadline="0.2")
        assert client.answer() == (OK, "old0")
        assert client.query("slow", "k") == (OK, "new0")

def test_the_keeper_of_the_snapshot(reloading, folder):
    """It begins anew where it has other work, and only there."""
    sandbox = reloading.sandbox
    first, second = os.path.join(folder, "first"), os.path.join(folder, "second")
    for each in first, second:
        os.mkdir(each)
        if os.getuid() == 0:
            os.chown(each, *_account())

    def keepers():
        return [pid for pid in processes.children(sandbox.lookupd.pid)
                if "keeper" in processes.title(pid)]

    def copied(where):
        wait_until(lambda: any(name.endswith(".cdb") for name in os.listdir(where)), 10,
                   what=f"a copy in {where}")

    assert not keepers()
    snapshot = '{ directory = "%s"; interval = %d; }'
    assert "snapshot" in reloading.good(snapshot=snapshot % (first, 60))
    copied(first)
    before = keepers()
    reloading.good(snapshot=snapshot % (first, 60), limits="{ clients = 500; }")
    assert keepers() == before
    reloading.good(snapshot=snapshot % (second, 60))
    copied(second)
    assert not set(keepers()) & set(before)
    reloading.bad(reloading.text(snapshot=snapshot % (os.path.join(folder, "none"), 60)),
                  "snapshot.directory: ")
    reloading.good(snapshot=snapshot % (second, 0))
    wait_until(lambda: not keepers(), 10, what="no keeper")


# ---- what is wrong ----

def test_broken(reloading, stream, folder):
    """The old one goes on, and the log says why, with file and line."""
    sandbox = reloading.sandbox
    conf = re.escape(sandbox.conf)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listener = '{ protocol = "socketmap"; address = "%s"; %s }'
        missing = os.path.join(folder, "missing.cnf")
        maps = "{\n extra = { keys = \"exact\";\n query = \"%s\"; }; }"
        before = reloading.resources()
        cases = [
            (reloading.text() + "workers = ;\n", rf"{conf}:\d+: "),
            (reloading.text() + "wrokers = 2;\n", rf"{conf}:\d+: wrokers: unknown setting"),
            (reloading.text(workers='"two"'), rf"{conf}:\d+: workers: "),
            (reloading.text(listeners=None), rf"{conf}.*listeners.* is missing"),
            (reloading.text(listeners="( )"), rf"{conf}:\d+: listeners: "),
            (reloading.text(user='"daemon"'), rf"{conf}:\d+: user: cannot change"),
            (reloading.text(group='"daemon"'), rf"{conf}:\d+: group: cannot change"),
            (reloading.text(maps=maps % "SELECT a, b FROM nowhere WHERE a IN (:key)"),
             rf"{conf}:\d+: maps\.extra\.query: .*nowhere.*\(1142\)"),
            (reloading.text(maps=maps % "SELECT 1 FROM dual WHERE 1 IN (:key)"),
             rf"{conf}:\d+: maps\.extra\.query: .*two"),
            (reloading.text(maps=maps % "SELECT name, name FROM domain WHERE name IN (:nonsense)"),
             rf"{conf}:\d+: maps\.extra.*:nonsense"),
            (reloading.text(listeners=reloading.listeners(
                listener % (f"inet:127.0.0.1:{port}", ""))),
             rf"{conf}:\d+: listener inet:127.0.0.1:{port}: bind: Address already in use"),
            (reloading.text(listeners=reloading.listeners(change=("inet:127.0.0.1:", "inet:0.0.0.0:"))),
             rf"{conf}:\d+: listener inet:0\.0\.0\.0:\d+: a listener in force .* restart lookupd: "
             "bind: Address already in use"),
            (reloading.text(listeners=reloading.listeners(
                listener % (f"unix:{folder}/first", ""), listener % (f"unix:{folder}/no/where", ""))),
             rf"{conf}:\d+: listener unix:{folder}/no/where: .*No such file"),
            (reloading.text(database=reloading.database(
                "user =", f'option_file = "{missing}"; user =')), rf"{missing}: cannot be opened"),
            (reloading.text(database=reloading.database('name = "lookupd"', 'name = "lookupt"')),
             r"database unix:.*lookupt.*\(1044\)"),
            # the one in force answers: this one is mistyped
            (reloading.text(database=reloading.database("mariadb.sock", "mariadb.sack")),
             r"database unix:.*mariadb\.sack.*not given up"),
        ]
        if os.getuid() == 0:
            cases += [(reloading.text(listeners=reloading.listeners(
                listener % ("inet:127.0.0.1:99", ""))), r"Permission denied .*root"),
                (reloading.text(listeners=reloading.listeners(
                    change=('mode = "0666"', 'mode = "0666"; group = "root"'))), r"group .*restart"),
                (reloading.text(listeners=reloading.listeners(
                    change=('mode = "0666"', 'mode = "0666"; owner = "root"'))), r"owner .*restart")]
        os.chmod(folder, 0o777)
        for text, reason in cases:
            reloading.bad(text, reason)
        assert not os.path.exists(os.path.join(folder, "first"))
        for kind in "missing", "a folder", "a pipe", "unreadable":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(sandbox.conf)
            if kind == "a folder":
                os.mkdir(sandbox.conf)
            elif kind == "a pipe":
                os.mkfifo(sandbox.conf)
            elif kind == "unreadable":
                reloading.write(reloading.original)
                os.chmod(sandbox.conf, 0)
            if kind != "unreadable" or os.getuid() == 0:
                log = reloading.bad(None, conf)
                assert kind != "unreadable" or "as the user of the server" in log
            if kind == "a folder":
                os.rmdir(sandbox.conf)
    reloading.write(reloading.original)
    stream.wait_live()
    _wait_quiet(reloading, before)
    assert sandbox.log_text().count("\n\n") == 0


# ---- the database ----

def test_without_the_database(new_sandbox):
    """An outage forbids no reload, and what is new is in force when it ends."""
    sandbox = new_sandbox(SANDBOX_SETTINGS)
    reloading = Reloading(sandbox)
    sandbox.sql("INSERT INTO domain (name) VALUES ('example.com')")
    with sandbox.socketmap() as client:
        assert client.query("relay_domains", "example.com") == (OK, "example.com")
        sandbox.mariadb.kill()
        reloading.write(reloading.text(maps="{ extra = %s; }" % (EXTRA % "one"), workers="3"))
        log = reloading.signal()
        assert "not reloaded" not in log
        assert "were not tried" in log
        assert client.query("extra", "k")[0] == TEMP
        sandbox.mariadb.start()
        wait_until(lambda: client.query("extra", "k") == (OK, "one"), 10, what="the new map")
        assert client.query("relay_domains", "example.com") == (OK, "example.com")


def test_while_the_database_hangs(new_sandbox):
    """The parent goes on watching; several signals are one more reload; a locked table is no fault."""
    sandbox = new_sandbox(SANDBOX_SETTINGS)
    reloading = Reloading(sandbox)
    os.kill(sandbox.mariadb.process.pid, signal.SIGSTOP)
    try:
        reloading.write(reloading.text(maps="{ extra = %s; }" % (EXTRA % "one")))
        before = reloading.ends()
        reloading.hup()
        wait_until(lambda: any("checking" in processes.title(pid) for pid in
                               processes.children(sandbox.lookupd.pid)), 5, what="a check")
        victim = sandbox.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(sandbox.workers()) == 2 and victim not in sandbox.workers(), 2,
                   interval=0.005, what="another worker")
        assert reloading.ends() == before, "not while the check was under way"
        for _ in range(50):
            reloading.hup()
        wait_until(lambda: reloading.ends() == before + 2, 15, what="two reloads")
    finally:
        os.kill(sandbox.mariadb.process.pid, signal.SIGCONT)
    wait_until(lambda: sandbox.query("extra", "k") == (OK, "one"), 10, what="live again")
    assert reloading.ends() == before + 2

    with contextlib.closing(sandbox.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLES domain WRITE")
        reloading.write(reloading.text(maps="{ extra = %s; }" % (EXTRA % "two")))
        log = reloading.signal(30)
    assert "not reloaded" not in log and "were not tried" in log
    wait_until(lambda: sandbox.query("extra", "k") == (OK, "two"), 10, what="the second")


# ---- workers that cannot ----

def test_workers_that_do_not_take_part(new_sandbox):
    """One that is stopped and one that is killed in the midst: others serve the new configuration."""
    sandbox = new_sandbox("workers = 2; limits = { stall = 1.0; };")
    reloading = Reloading(sandbox)
    stopped, killed = sandbox.workers()
    os.kill(stopped, signal.SIGSTOP)
    reloading.write(reloading.text(maps="{ extra = %s; }" % (EXTRA % "one")))
    reloading.hup()
    wait_until(lambda: any("checking" in processes.title(pid) for pid in
                           processes.children(sandbox.lookupd.pid)) or reloading.ends(), 5)
    os.kill(killed, signal.SIGKILL)
    wait_until(reloading.ends, 10, what="reloaded")
    wait_until(lambda: not {stopped, killed} & set(sandbox.workers()) and sandbox.answers(), 10,
               what="two other workers")
    for _ in range(8):
        assert sandbox.query("extra", "k") == (OK, "one")


def test_stopping_in_the_midst(new_sandbox):
    sandbox = new_sandbox(SANDBOX_SETTINGS)
    pid = sandbox.lookupd.pid
    for _ in range(3):
        os.kill(pid, signal.SIGHUP)
    wait_until(lambda: any("checking" in processes.title(child) for child in processes.children(pid))
               or "reloaded" in sandbox.log_text(), 5, interval=0.001)
    os.kill(pid, signal.SIGHUP)
    left = processes.children(pid)
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGHUP)
    assert sandbox.lookupd.wait(10) == 0
    wait_until(lambda: not any(processes.is_alive(child) for child in left), 5, what="all have gone")


def test_systemd_is_told(new_sandbox, folder):
    """RELOADING=1, then READY=1: systemctl waits for it."""
    path = os.path.join(folder, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        os.chmod(folder, 0o777)
        os.chmod(path, 0o777)
        notify.settimeout(10)
        sandbox = new_sandbox(SANDBOX_SETTINGS)
        sandbox.stop_lookupd()
        os.environ["NOTIFY_SOCKET"] = path  # not for MariaDB, which would speak there too
        try:
            sandbox.start_lookupd()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        reloading = Reloading(sandbox)
        assert notify.recv(1000) == b"READY=1"
        for text in reloading.original, "nonsense":
            reloading.write(text)
            reloading.signal()
            assert notify.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert notify.recv(1000) == b"READY=1"


# ---- many ----

def _changes(reloading, folder):
    """Reloads that change something each, and with every other one a file that is wrong."""
    port, = free_ports(1)
    more = '{ protocol = "tcp_table"; address = "inet:127.0.0.1:%d"; map = "transport"; }' % port
    path = '{ protocol = "socketmap"; address = "unix:%s/more"; }' % folder
    return [
        reloading.text(maps="{ extra = %s; }" % (EXTRA % "one")),
        reloading.text() + "nonsense = 1;\n",
        reloading.text(listeners=reloading.listeners(more, path)),
        reloading.text(maps='{ extra = { keys = "exact"; query = "SELECT 1, 2 FROM no_table"; }; }'),
        reloading.text(database=reloading.database("user =", "connections = 3; user =")),
        reloading.text(listeners=reloading.listeners(path.replace("/more", "/no/where"))),
        reloading.text(database=reloading.database("user =", "timeout = 1.5; user ="),
                       limits="{ clients = 5000; }"),
        "\x01",
    ]


def _many(reloading, stream, folder, count):
    os.chmod(folder, 0o777)
    changes = _changes(reloading, folder)
    good = bad = 0
    for number in range(count):
        reloading.write(changes[number % len(changes)])
        if "not reloaded" in reloading.signal(30):
            bad += 1
        else:
            good += 1
    assert (good, bad) == (count // 2, count // 2)
    stream.wait_live()


def test_many_under_load(reloading, stream, folder):
    before = reloading.resources()
    _many(reloading, stream, folder, 16)
    reloading.restore()
    _wait_quiet(reloading, before)


@pytest.mark.long
def test_200_under_load(reloading, folder, figures):
    sandbox = reloading.sandbox
    with Stream(sandbox, clients=12, tables=4, pause=0.005, reuse=10**9) as stream:
        stream.wait_live()
        _many(reloading, stream, folder, 16)
        reloading.restore()
        wait_until(lambda: len(reloading.connections()) == 4, 15, what="four connections")
        time.sleep(1)  # the allocators settle
        before = reloading.resources()
        memory = [processes.rss_kib(pid) for pid in reloading.pids()]
        _many(reloading, stream, folder, 200)
        reloading.restore()
        _wait_quiet(reloading, before)
        after = [processes.rss_kib(pid) for pid in reloading.pids()]
        statements = _statements(sandbox)
    counts = stream.check()
    figures(f"KiB {memory} then {after}; {statements} prepared statements")
    assert counts.temporary == 0, counts
    assert all(now < then + 4096 for then, now in zip(memory, after)), (memory, after)
    assert statements < 400


def test_a_storm_of_signals(reloading, stream):
    """Signals come faster than reloads; the last state of the file is in force in the end."""
    stop = threading.Event()

    def storm():
        while not stop.is_set():
            reloading.hup()
            time.sleep(0.002)

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for word in ("one", "two", "three"):
            reloading.write(reloading.text(maps="{ extra = %s; }" % (EXTRA % word)))
            wait_until(lambda word=word: reloading.sandbox.query("extra", "k") == (OK, word), 10)
    finally:
        stop.set()
        thread.join()
    stream.wait_answers(100)
    wait_until(lambda: not any("checking" in processes.title(pid) for pid in
                               processes.children(reloading.sandbox.lookupd.pid)), 10)
