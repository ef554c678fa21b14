"""Whatever happens to the database, under a stream of lookups that are all checked (support/stream.py):
no wrong answer, none later than the deadline and a second, no client loses its connection, and all is
live again by itself. What single lookups show stands in test_database.py and test_review.py."""

import contextlib
import os
import random
import re
import shutil
import signal
import socketserver
import struct
import subprocess
import time

import pymysql
import pytest

import netproxy
import processes
from conftest import brought_up
from netproxy import Proxy
from port53 import Port53
from processes import wait_until
from sandbox import Sandbox, free_ports
from stream import ZONE, Stream
from tls import self_signed

SANDBOX_SETTINGS = "workers = 2;"
OURS = "SELECT id FROM information_schema.PROCESSLIST WHERE user = 'lookupd'"


def long(*values):
    """A case of the long form."""
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.fixture(autouse=True)
def _running(request):
    """A test that fails does not leave the next one without a database. And a session that is killed
    while it opens a table leaves that table with triggers that MariaDB (10.11) has read only half, and
    refuses every change with "Trigger ... has an error in its body" until the next FLUSH TABLES."""
    made = [request.getfixturevalue(name) for name in ("sandbox", "network") if name in request.fixturenames]
    yield
    for each in made:
        each = getattr(each, "sandbox", each)
        if each.mariadb.pid is None:
            each.mariadb.start()
        each.sql("FLUSH TABLES")


def _settle(sandbox, stream, timeout=10):
    """Waits until all workers have the database and all clients have answers from it; then for a
    hundred answers more, none of which may be temporary."""
    wait_until(sandbox.answers, timeout, what="all workers are live")
    stream.wait_live(timeout)
    with stream.phase() as well:
        stream.wait_answers(100)
    assert well.temporary == 0 and well.found > 0 and well.notfound > 0, well


def _kill(sandbox, *numbers):
    """Ends sessions of the database: those, or all of lookupd's."""
    with contextlib.closing(sandbox.connect()) as connection, connection.cursor() as cursor:
        if not numbers:
            cursor.execute(OURS)
            numbers = [number for (number,) in cursor.fetchall()]
        for number in numbers:
            with contextlib.suppress(pymysql.MySQLError):  # it has ended by itself
                cursor.execute(f"KILL {number}")
    return len(numbers)


def _all_temporary(counts, least=20):
    assert counts.found == counts.notfound == 0 and counts.temporary >= least, counts


# ---- the server ----

@pytest.mark.parametrize("how, seconds", [("stop", 1), ("kill", 1), long("stop", 30), long("kill", 30)])
def test_stopped_or_killed(sandbox, how, seconds):
    with Stream(sandbox) as stream:
        stream.wait_live()
        getattr(sandbox.mariadb, how)()
        with stream.outage(), stream.phase() as gone:
            time.sleep(seconds)
        sandbox.mariadb.start()
        began = time.monotonic()
        wait_until(sandbox.answers, 5, what="live")
        assert time.monotonic() - began < 2
        _settle(sandbox, stream)
    stream.check()
    _all_temporary(gone)


@pytest.mark.parametrize("seconds", [4, long(30)])
def test_frozen(sandbox, seconds):
    """SIGSTOP: the server takes connections and says nothing."""
    with Stream(sandbox) as stream:
        stream.wait_live()
        sandbox.mariadb.freeze()
        try:
            wait_until(lambda: processes._stat(sandbox.mariadb.pid)[0] == "T", 5)
            with stream.outage(), stream.phase() as frozen:
                time.sleep(seconds)
                stream.wait_answers(2 * len(stream.clients))
        finally:
            sandbox.mariadb.cont()
        _settle(sandbox, stream)
    stream.check()
    _all_temporary(frozen, len(stream.clients))


@pytest.mark.parametrize("times", [3, long(60)])
def test_restarted_in_a_loop(sandbox, times):
    with Stream(sandbox) as stream:
        stream.wait_live()
        for number in range(times):
            sandbox.mariadb.kill() if number % 2 else sandbox.mariadb.stop(10)
            sandbox.mariadb.start()
            if number % 3 == 0:
                stream.wait_answers(50)
        _settle(sandbox, stream)
    stream.check()


# ---- connections ----

@pytest.mark.parametrize("rounds", [6, long(300)])
def test_connections_killed(sandbox, rounds):
    """One by one, and all at once. Nearly everybody is answered: a query is asked once more."""
    with Stream(sandbox) as stream:
        stream.wait_live()
        with stream.phase() as killed:
            for number in range(rounds):
                if number % 2:
                    _kill(sandbox)
                else:
                    for (one,) in sandbox.sql(OURS):
                        _kill(sandbox, one)
                        stream.wait_answers(5)
                stream.wait_answers(40)
        _settle(sandbox, stream)
    stream.check()
    assert killed.found > 10 * killed.temporary, killed


@pytest.mark.long
def test_wait_timeout_of_a_second(sandbox):
    """Clients that ask seldom; connections from before and from after the setting."""
    sandbox.sql("SET GLOBAL wait_timeout = 1", "SET GLOBAL interactive_timeout = 1")
    try:
        with Stream(sandbox, pause=4, change_every=None) as stream:
            _kill(sandbox)
            with stream.phase() as quiet:
                time.sleep(60)
        stream.check()
        assert quiet.temporary == 0 and quiet.found > 10, quiet
    finally:
        sandbox.sql("SET GLOBAL wait_timeout = DEFAULT", "SET GLOBAL interactive_timeout = DEFAULT")


@pytest.mark.parametrize("seconds", [1, long(30)])
def test_max_connections_used_up(sandbox, seconds):
    """Others have taken all connections, and lookupd's own are ended."""
    (before,), = sandbox.sql("SELECT @@GLOBAL.max_connections")
    hogs = {}

    def take_all():
        with contextlib.suppress(pymysql.err.OperationalError):
            while len(hogs) < 50:
                hog = sandbox.connect(user="lookupd")
                hogs[hog.thread_id()] = hog

    with Stream(sandbox) as stream, contextlib.closing(sandbox.connect()) as root, root.cursor() as cursor:
        stream.wait_live()
        cursor.execute("SET GLOBAL max_connections = 10")
        try:
            calm = 0  # rounds; somebody may be at the door while all places are taken
            give_up = time.monotonic() + 30
            while calm < 5:
                assert time.monotonic() < give_up
                take_all()
                cursor.execute(OURS)
                theirs = [number for (number,) in cursor.fetchall() if number not in hogs]
                calm = 0 if theirs else calm + 1
                time.sleep(0.05 if calm else 0)
                for number in theirs:
                    with contextlib.suppress(pymysql.MySQLError):
                        cursor.execute(f"KILL {number}")
            wait_until(lambda: not any(": live" in processes.title(pid) for pid in sandbox.workers()), 5)
            with stream.outage(), stream.phase() as full:
                time.sleep(seconds)
        finally:
            cursor.execute(f"SET GLOBAL max_connections = {before}")
            for hog in hogs.values():
                hog.close()
        _settle(sandbox, stream)
    stream.check()
    _all_temporary(full)
    assert "Too many connections" in sandbox.log_text()


@pytest.mark.parametrize("seconds", [0.5, long(20)])
def test_read_only(sandbox, seconds):
    """lookupd only reads: neither read_only nor a global read lock is any obstacle."""
    with Stream(sandbox) as stream, contextlib.closing(sandbox.connect()) as root, root.cursor() as cursor:
        stream.wait_live()
        with stream.phase() as counts:
            cursor.execute("SET GLOBAL read_only = 1")
            _kill(sandbox)
            time.sleep(seconds)
            cursor.execute("SET GLOBAL read_only = 0")
            cursor.execute("FLUSH TABLES WITH READ LOCK")  # the writer waits
            time.sleep(seconds)
            cursor.execute("UNLOCK TABLES")
        _settle(sandbox, stream)
    stream.check()
    assert counts.found > 10 * counts.temporary, counts


@pytest.mark.parametrize("change, back", [
    ("ALTER USER lookupd@localhost IDENTIFIED BY 'something new'",
     "ALTER USER lookupd@localhost IDENTIFIED BY ''"),
    ("ALTER USER lookupd@localhost ACCOUNT LOCK", "ALTER USER lookupd@localhost ACCOUNT UNLOCK"),
    ("REVOKE lookupd_reader FROM lookupd@localhost", "GRANT lookupd_reader TO lookupd@localhost"),
])
def test_account_changed(sandbox, change, back):
    """A new password: connections that are there go on, new ones are refused. Set right, it is live."""
    with Stream(sandbox) as stream:
        stream.wait_live()
        sandbox.sql(change)
        try:
            _kill(sandbox)
            wait_until(lambda: not any(": live" in processes.title(pid) for pid in sandbox.workers()), 5)
            with stream.outage(), stream.phase() as refused:
                time.sleep(0.5)
        finally:
            sandbox.sql(back)
        _settle(sandbox, stream)
    stream.check()
    _all_temporary(refused)
    assert "denied" in sandbox.log_text() and "something new" not in sandbox.log_text()


# ---- tables ----

@pytest.mark.parametrize("seconds", [0.5, long(20)])
def test_table_renamed(sandbox, seconds):
    with Stream(sandbox) as stream:
        stream.wait_live()
        with stream.still():
            sandbox.sql("RENAME TABLE domain TO elsewhere")
            with stream.phase() as away:
                time.sleep(seconds)
            sandbox.sql("RENAME TABLE elsewhere TO domain")
        _settle(sandbox, stream)
    stream.check()
    assert away.temporary > 10 and away.found > 0, away  # maps without this table go on


def test_table_dropped(sandbox):
    """Gone, and back with the same rows from a copy, as after a restore of one table."""
    try:
        with Stream(sandbox) as stream:
            stream.wait_live()
            with stream.still(), contextlib.closing(sandbox.connect()) as root, root.cursor() as cursor:
                cursor.execute("SET SESSION foreign_key_checks = 0")
                for table in ("domain", "alias", "access"):
                    cursor.execute(f"CREATE TABLE copy_of_{table} LIKE {table}")
                    cursor.execute(f"INSERT INTO copy_of_{table} SELECT * FROM {table}")
                with stream.phase() as dropped:
                    cursor.execute("DROP TABLE domain, alias, access")
                    time.sleep(0.5)
                    for table in ("domain", "alias", "access"):
                        cursor.execute(f"RENAME TABLE copy_of_{table} TO {table}")
                _settle(sandbox, stream)
        stream.check()
        assert dropped.temporary > 10, dropped
    finally:
        sandbox.load_schema()


@pytest.mark.parametrize("seconds", [2.5, long(30)])
def test_table_locked(sandbox, seconds):
    """LOCK TABLES: by the deadline, and other maps are answered."""
    with Stream(sandbox) as stream, contextlib.closing(sandbox.connect()) as root, root.cursor() as cursor:
        stream.wait_live()
        cursor.execute("LOCK TABLES domain WRITE")
        with stream.phase() as locked:
            time.sleep(seconds)
            # it takes a round of the deadline until each map is known to wait
            wait_until(lambda: locked.temporary and locked.found + locked.notfound > 30, 15)
        cursor.execute("UNLOCK TABLES")
        _settle(sandbox, stream)
    stream.check()


@pytest.mark.parametrize("rounds", [1, long(20)])
def test_table_altered_online(sandbox, rounds):
    """Statements that are prepared survive it, and so do the answers."""
    alterations = [
        "ALTER TABLE domain ADD COLUMN more INT FIRST", "ALTER TABLE domain DROP COLUMN more",
        "ALTER TABLE domain ADD COLUMN more VARCHAR(10) DEFAULT 'x' AFTER name, ALGORITHM = COPY",
        "ALTER TABLE domain MODIFY COLUMN more VARCHAR(200)", "ALTER TABLE domain DROP COLUMN more",
        "ALTER TABLE domain ENGINE = InnoDB", "ALTER TABLE recipient FORCE", "ANALYZE TABLE domain",
        "OPTIMIZE TABLE alias", "CREATE INDEX more ON access (action)", "DROP INDEX more ON access",
        "FLUSH TABLES"]
    with Stream(sandbox) as stream:
        stream.wait_live()
        with stream.phase() as altered:
            for statement in alterations * rounds:
                sandbox.sql(statement)
                stream.wait_answers(20)
        _settle(sandbox, stream)
    stream.check()
    assert altered.found > 10 * altered.temporary, altered


# ---- the network, by a proxy in between ----

class Network:
    """A sandbox whose database listens on TCP, with TLS; lookupd reaches it through a proxy."""

    def __init__(self, folder):
        self.folder = folder
        self.key, self.certificate = self_signed(folder, "right")
        self.sandbox = Sandbox(os.path.join(folder, "sandbox"))
        self.port, door = free_ports(2)
        self.sandbox.mariadb.port = self.port
        self.with_certificate(self.key, self.certificate)
        self.proxy = Proxy(f"127.0.0.1:{self.port}", f"127.0.0.1:{door}")
        self.local = Proxy(self.sandbox.mariadb.socket, os.path.join(folder, "proxy.sock"))
        self.option_file = os.path.join(folder, "my.cnf")
        with open(self.option_file, "w", encoding="utf-8") as file:
            file.write(f"[client]\nssl-ca = {self.certificate}\nssl-verify-server-cert\n")
        os.chmod(self.option_file, 0o600)
        self.form = None

    def with_certificate(self, key, certificate):
        self.sandbox.mariadb.options = [f"--ssl-key={key}", f"--ssl-cert={certificate}"]

    def up(self):
        self.sandbox.up("workers = 2;")
        self.sandbox.sql("CREATE USER lookupd@'127.0.0.1'", "GRANT lookupd_reader TO lookupd@'127.0.0.1'",
                         "SET DEFAULT ROLE lookupd_reader FOR lookupd@'127.0.0.1'")
        self.proxy.start()
        self.local.start()

    def down(self):
        self.proxy.stop()
        self.local.stop()
        try:
            self.sandbox.stop_lookupd()
        finally:
            self.sandbox.down()

    def settings(self, form):
        hosts, option_file = f"unix:{self.local.address}", ""
        if form != "unix":
            hosts = self.proxy.address
        if form == "tls":
            option_file = f'option_file = "{self.option_file}";'
        return f'workers = 2; database = {{ hosts = ( "{hosts}" ); user = "lookupd"; {option_file} }};'

    def serve(self, form):
        """lookupd over "unix", "tcp" or "tls"; returns the sandbox and the proxy."""
        proxy = self.local if form == "unix" else self.proxy
        proxy.fault = netproxy.passing
        if form != self.form or not self.sandbox.answers():
            self.sandbox.stop_lookupd()
            self.sandbox.write_conf(self.settings(form))
            self.sandbox.start_lookupd()
            self.form = form
        self.sandbox.empty()
        return self.sandbox, proxy


@pytest.fixture(scope="module")
def network(request):
    with brought_up(request, Network, lambda made: made.sandbox.log_text()[-20000:]) as made:
        yield made


@pytest.mark.parametrize("form, step, reset", [
    ("unix", 3, False), ("tls", 30, True),
    long("unix", 1, False), long("tcp", 1, True), long("tcp", 1, False), long("tls", 1, False)])
def test_cut_in_the_middle_of_a_result(network, form, step, reset):
    """At every octet: what has come counts for nothing, and the query is asked once more."""
    sandbox, proxy = network.serve(form)
    execute = (lambda talk: talk.requests > 20) if form == "tls" else netproxy.is_execute
    with Stream(sandbox, pause=0.003) as stream:
        stream.wait_live()
        with stream.phase() as cut:
            # the columns' names come once for each statement: later results have some 50 octets
            for after in [*range(0, 50, step), *range(50, 230, 6 * step)]:
                hits = []
                proxy.fault = netproxy.cut_reply(after, reset, hits, every=4 if after < 50 else 1,
                                                 wanted=execute)
                for _ in range(20):
                    with contextlib.suppress(AssertionError):
                        wait_until(lambda: hits, 0.5, 0.002)
                        break
                    proxy.cut()  # new connections, new statements
                assert hits, f"no reply had {after} octets"
        proxy.fault = netproxy.passing
        _settle(sandbox, stream)
    stream.check()
    assert cut.temporary <= max(20, cut.answers / 2), cut


HALF_CLOSED, STALLED = netproxy.half_closed_reply(7), netproxy.stalled_reply(7)
CUT, RESET = netproxy.cut_reply(7), netproxy.cut_reply(7, reset=True)


@pytest.mark.parametrize("fault, seconds", [
    pytest.param(HALF_CLOSED, 0.5, id="half closed"), pytest.param(netproxy.blackhole, 3, id="blackhole"),
    *(pytest.param(fault, 20, id=f"{name} for long", marks=pytest.mark.long) for name, fault in (
        ("half closed", HALF_CLOSED), ("blackhole", netproxy.blackhole), ("stalled", STALLED),
        ("cut", CUT), ("reset", RESET)))])
def test_no_result_comes_whole(network, fault, seconds):
    """Each query ends like that: temporary, and the database is not met with a storm."""
    sandbox, proxy = network.serve("tcp")
    with Stream(sandbox) as stream:
        stream.wait_live()
        accepted, began = proxy.accepted, time.monotonic()
        proxy.fault = fault
        stream.wait_answers(1)
        with stream.outage(), stream.phase() as broken:
            time.sleep(seconds)
            stream.wait_answers(len(stream.clients))
        proxy.fault = netproxy.passing
        assert proxy.accepted - accepted < 50 + 30 * (time.monotonic() - began)
        _settle(sandbox, stream)
    stream.check()
    _all_temporary(broken, 1)


def test_byte_by_byte(network):
    sandbox, proxy = network.serve("tls")
    with Stream(sandbox) as stream:
        proxy.fault = netproxy.byte_by_byte
        proxy.cut()
        _settle(sandbox, stream)
        proxy.fault = netproxy.passing
    stream.check()


@pytest.mark.parametrize("delay, seconds", [
    (0.7, 2), long(0.1, 20), long(0.5, 20), long(1, 30), long(2, 30), long(5, 30),
    long("any", 120)])
def test_answers_delayed(network, delay, seconds):
    """By 0.1 to 5 seconds, a new connection's too."""
    sandbox, proxy = network.serve("tcp")
    chance = random.Random(1)
    with Stream(sandbox) as stream:
        stream.wait_live()
        proxy.fault = netproxy.delayed((lambda: chance.uniform(0.1, 5)) if delay == "any" else delay)
        with stream.phase() as delayed:
            time.sleep(seconds)
            # a connection is made in a dozen steps: with two seconds for each there is hardly ever one
            if delay in (0.1, 0.5, 0.7, 1):
                wait_until(lambda: delayed.found > 0, 30, what="answers from the slow database")
        proxy.fault = netproxy.passing
        _settle(sandbox, stream)
    stream.check()


@pytest.mark.parametrize("form", ["unix", long("tcp")])
def test_refused(network, form):
    """Nobody listens: temporary at once."""
    sandbox, proxy = network.serve(form)
    with Stream(sandbox) as stream:
        stream.wait_live()
        proxy.refuse()
        proxy.cut(reset=True)
        wait_until(lambda: not any(": live" in processes.title(pid) for pid in sandbox.workers()), 5)
        with stream.outage(), stream.phase() as refused:
            time.sleep(0.5)
        proxy.start()
        _settle(sandbox, stream)
    stream.check()
    _all_temporary(refused)
    assert refused.longest < 0.5


def test_idle_connections_are_kept_alive(network):
    """By a probe within a minute: what forgets idle connections, a firewall, does so in silence."""
    _, proxy = network.serve("tcp")
    door = f"{int(proxy.address.rpartition(':')[2]):04X}"

    def timers():
        """(kind, hundredths of a second) of each open connection to the proxy, as in proc_net_tcp(5)."""
        with open("/proc/net/tcp", encoding="ascii") as file:
            fields = [line.split() for line in file][1:]
        return [(int(each[5][:2], 16), int(each[5][3:], 16)) for each in fields
                if each[2].endswith(":" + door) and each[3] == "01"]

    wait_until(lambda: len(found := timers()) == 4 and all(kind == 2 and when <= 6100 for kind, when in found),
               10, what="four connections with probes")


@pytest.mark.parametrize("seconds", [2, long(30)])
def test_tls_peer_that_never_answers(network, seconds):
    sandbox, proxy = network.serve("tls")
    with Stream(sandbox) as stream:
        stream.wait_live()
        proxy.fault = netproxy.swallow_tls
        proxy.cut()
        with stream.outage(), stream.phase() as silent:
            time.sleep(seconds)
            stream.wait_answers(len(stream.clients))
        proxy.fault = netproxy.passing
        _settle(sandbox, stream)
    stream.check()
    _all_temporary(silent, 1)


def test_server_certificate_wrong(network):
    """Another certificate than the one that is trusted: nothing is asked of that server."""
    sandbox, _ = network.serve("tls")
    try:
        with Stream(sandbox) as stream:
            stream.wait_live()
            sandbox.mariadb.stop(10)
            with stream.outage(), stream.phase() as refused:
                network.with_certificate(*self_signed(network.folder, "wrong"))
                sandbox.mariadb.start()
                time.sleep(1)
            sandbox.mariadb.stop(10)
            network.with_certificate(network.key, network.certificate)
            sandbox.mariadb.start()
            _settle(sandbox, stream)
        stream.check()
        _all_temporary(refused)
        assert "certificate" in sandbox.log_text()
    finally:
        network.with_certificate(network.key, network.certificate)


def _tested(sandbox):
    """lookupd -t: its exit code, and what it says."""
    done = subprocess.run([os.path.join(sandbox.programs, "lookupd"), "-c", sandbox.conf, "-t"],
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_answers_that_are_waited_for_over_tls(network):
    """What asks the database without an event loop waits for each answer as long as `timeout` says, over
    TLS too: -t, the copies for the snapshot, the proof of a reload."""
    sandbox, proxy = network.serve("tls")
    network.form = None
    sandbox.stop_lookupd()
    copies = os.path.join(sandbox.directory, "copies")
    os.mkdir(copies)
    for path in (copies, network.option_file):  # lookupd's own: for the reload, and no fault at the start
        shutil.chown(path, *sandbox.account())
    settings = network.settings("tls") + f'snapshot = {{ directory = "{copies}"; }};'
    sandbox.write_conf(settings)
    proxy.fault = netproxy.delayed(0.02)
    assert _tested(sandbox) == (0, "configuration OK\n")
    begun = len(sandbox.log_text())
    sandbox.start_lookupd()
    wait_until(lambda: "snapshot: copied at" in sandbox.log_text()[begun:], 20, what="a copy")
    sandbox.write_conf(settings + "deadline = 1.9;")
    sandbox.lookupd.send_signal(signal.SIGHUP)
    wait_until(lambda: "reloaded" in sandbox.log_text()[begun:], 20, what="a reload")
    said = sandbox.log_text()[begun:]
    assert not any(word in said for word in ("not reloaded", "not tried", "is kept", "error")), said


def test_what_t_says_of_several_hosts(network):
    """Each that cannot be used is named, also behind one that is good, and one that refuses counts more
    than one that is away; a file of TLS that cannot be read is named too."""
    sandbox, proxy = network.serve("tls")
    network.form = None
    (nobody,) = free_ports(1)
    good, away = proxy.address, f"127.0.0.1:{nobody}"

    def told(hosts, **changes):
        text = "".join(f"{name} = {value}\n" for name, value in changes.items())
        option_file = os.path.join(network.folder, "t.cnf")
        with open(option_file, "w", encoding="utf-8") as file:
            file.write(f"[client]\nssl-ca = {network.certificate}\n{text}")
        os.chmod(option_file, 0o600)
        hosts = ", ".join(f'"{host}"' for host in hosts)
        sandbox.write_conf(f'database = {{ hosts = ( {hosts} ); user = "lookupd"; '
                           f'option_file = "{option_file}"; }};')
        return _tested(sandbox)

    code, said = told((good, away))
    assert code == 0 and re.fullmatch(f"warning: database {away}: .*\nconfiguration OK\n", said), said
    # a database on the same machine before others: no certificate names a unix socket
    assert told((f"unix:{sandbox.mariadb.socket}", good), **{"ssl-verify-server-cert": "1"}) == (0, "configuration OK\n")
    sandbox.sql("UPDATE service SET answering = 'no'")
    assert re.fullmatch(f"warning: database {good}: the table service .*\nconfiguration OK\n", told((good,))[1])
    sandbox.sql("UPDATE service SET answering = 'yes'")
    code, said = told((away, f"localhost:{nobody}"))
    assert code == 0 and said.count("warning: database") == 2 and "queries were not tried" in said, said
    code, said = told((good, away), password="wrong")
    assert code == 78 and re.search(rf"{good}: Access denied .* \(1045\)", said), said
    code, said = told((good,), **{"ssl-ca": "/nowhere/ca.pem"})
    assert code == 78 and f"{good}: ssl-ca: /nowhere/ca.pem: No such file" in said, said


class _SlowResolver(socketserver.BaseRequestHandler):
    """Answers every question for an IPv4 address with 127.0.0.1, and others with nothing."""

    def handle(self):
        data, reply = self.request
        time.sleep(self.server.owner.delay)
        end = data.index(b"\0", 12) + 5
        kind, = struct.unpack(">H", data[end - 4:end - 2])
        address = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + bytes((127, 0, 0, 1))
        answers = address if kind == 1 else b""
        with contextlib.suppress(OSError):  # the test is over
            reply.sendto(data[:2] + b"\x81\x80\0\1" + struct.pack(">H", len(answers) > 0) + b"\0" * 4
                         + data[12:end] + answers, self.client_address)


@contextlib.contextmanager
def _resolver(delay):
    """The address of a name server of our own."""
    resolver = Port53(_SlowResolver)
    resolver.delay = delay
    try:
        yield resolver.address
    finally:
        resolver.stop()


@pytest.mark.skipif(os.getuid() != 0, reason="needs port 53 and a mount of its own")
@pytest.mark.parametrize("times", [1, long(5)])
def test_resolver_that_takes_three_seconds(network, times):
    """Longer than the deadline: it stops nothing but new connections, and these come."""
    sandbox = network.sandbox
    with _resolver(3) as address:
        sandbox.stop_lookupd()
        network.form = None
        sandbox.empty()
        settings = network.settings("tcp").replace(
            f'"{network.proxy.address}"', f'"database.{ZONE}:{network.port}"')
        sandbox.write_conf(settings)
        resolv_conf = os.path.join(network.folder, "resolv.conf")
        with open(resolv_conf, "w", encoding="utf-8") as file:
            file.write(f"nameserver {address}\noptions timeout:10 attempts:1\n")
        with open(sandbox.log, "ab") as log:
            sandbox.lookupd = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c",
                 'mount --bind "$1" /etc/resolv.conf && exec "$2" -f -c "$3"', "sh", resolv_conf,
                 os.path.join(sandbox.programs, "lookupd"), sandbox.conf],
                cwd=sandbox.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        wait_until(lambda: len(sandbox.workers()) == 2, 10)
        with Stream(sandbox) as stream:
            stream.wait_live(10)
            _settle(sandbox, stream)
            for _ in range(times):
                wait_until(lambda: len(sandbox.sql(OURS)) == 4, 40, what="all connections are there")
                _kill(sandbox)
                stream.wait_answers(len(stream.clients))
                _settle(sandbox, stream)
        stream.check()
        sandbox.stop_lookupd()
