"""What lookupd takes over from whoever starts it (nothing), what it keeps of root (nothing), and who may
connect."""

import contextlib
import fcntl
import grp
import os
import pty
import pwd
import re
import socket
import subprocess
import sys
import time

import pytest

import processes
from clients import OK, SocketmapClient, TcpTableClient
from processes import wait_until
from sandbox import free_ports

SANDBOX_SETTINGS = "workers = 1;"

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root has anything to give up")

# Whoever starts it badly: a terminal, open descriptors, signals ignored and blocked, no umask.
BAD_START = """
import os, signal, sys
os.setsid()
os.open(sys.argv[1], os.O_RDWR)  # becomes the session's terminal
leaked = os.open("leaked", os.O_RDWR | os.O_CREAT)
for number in range(3, 201):
    if number != leaked:
        os.dup2(leaked, number)
    os.set_inheritable(number, True)
for number in (signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGSEGV):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
os.umask(0)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def site(sandbox):
    """The sandbox without its lookupd: each test starts its own."""
    sandbox.stop_lookupd()
    sandbox.write_conf("workers = 1;")
    with open(sandbox.log, "w", encoding="utf-8"):
        pass
    yield sandbox
    processes.end(sandbox.processes({"lookupd"}), 10)
    if sandbox.lookupd is not None:
        sandbox.lookupd.wait(5)


def _status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file)


def _terminal(pid):
    return int(processes._stat(pid)[4])


def _descriptors(pid):
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def _daemon(conf):
    """The parent of the lookupd that has this configuration; None: there is none."""
    for pid in processes.all_pids():
        if re.match(r"lookupd: parent: \d+ workers, " + re.escape(conf), processes.title(pid)):
            return pid
    return None


def _start(sandbox, program, *arguments):
    """Starts a Python program that becomes lookupd. arguments: its own, then lookupd's options."""
    own = [text for text in arguments if not text.startswith("-")]
    options = [text for text in arguments if text.startswith("-")]
    with open(sandbox.log, "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", program, *own, os.path.join(sandbox.programs, "lookupd"), *options,
             "-c", sandbox.conf], cwd=sandbox.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait_served(sandbox):
    """The parent, when lookups are answered."""
    parent = wait_until(lambda: _daemon(sandbox.conf), 15, what="there is a daemon")
    sandbox.lookupd = processes.Adopted(parent)
    wait_until(sandbox.answers, 15, what="lookups are answered")
    return parent


def _check_bare(pid, umask="0027"):
    """A process that has nothing of root or of who has started it."""
    status = _status(pid)
    title = processes.title(pid)
    assert "0" not in status["Uid"].split() + status["Gid"].split() + status["Groups"].split(), title
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, (title, name)
    assert status["NoNewPrivs"] == "1", title
    assert status["Umask"] == umask, title
    assert os.readlink(f"/proc/{pid}/cwd") == "/", title
    ignored = int(status["SigIgn"], 16)
    assert ignored & ~(1 << 0 | 1 << 1 | 1 << 12) == 0, title  # SIGHUP, SIGINT; SIGPIPE
    assert ignored & 1 << 12, title


@AS_ROOT
@pytest.mark.parametrize("foreground", [True, False])
def test_started_badly(site, foreground):
    site.write_conf("workers = 2;")
    leader, terminal = pty.openpty()
    started = _start(site, BAD_START, os.ttyname(terminal), *(["-f"] if foreground else []))
    os.close(terminal)
    try:
        if not foreground:
            assert started.wait(20) == 0  # in the background, ready
        parent = _wait_served(site)
        if foreground:
            assert parent == started.pid
        workers = site.workers()
        assert len(workers) == 2
        for pid in (parent, *workers):
            _check_bare(pid)
            assert not any("leaked" in path for path in _descriptors(pid).values())
            assert not any(path.startswith("/dev/pt") for path in _descriptors(pid).values())
            assert max(_descriptors(pid)) < 60, _descriptors(pid)
            if not foreground:  # or whoever reads what it writes would wait for its end
                assert [_descriptors(pid)[number] for number in range(3)] == ["/dev/null"] * 3
            if pid == parent and foreground:
                assert _terminal(pid) != 0  # so that Ctrl-C reaches it: or this test shows nothing
            else:
                assert _terminal(pid) == 0
                assert processes._stat(pid)[3] != str(pid) or pid != parent  # leads no session
        pipes = [{path for path in _descriptors(pid).values() if path.startswith("pipe:")}
                 for pid in workers]
        assert not pipes[0] & pipes[1]  # none of their parent's, on which its starter waits
        os.kill(workers[0], 9)  # one that comes later is no different
        wait_until(lambda: workers[0] not in site.workers() and len(site.workers()) == 2)
        for pid in site.workers():
            wait_until(lambda: os.path.exists(f"/proc/{pid}/cwd") and _terminal(pid) == 0)
            _check_bare(pid)
        os.kill(parent, 15)
        wait_until(lambda: not processes.is_alive(parent), 10, what="it stops")
    finally:
        os.close(leader)
        if started.poll() is None:
            started.kill()
        started.wait(10)


def test_standard_descriptors_closed(site):
    """Without descriptors 0 to 2 no socket becomes standard error, into which the log is written."""
    started = _start(site, "import os, sys\nos.closerange(0, 3)\n"
                              "os.execv(sys.argv[1], sys.argv[1:])", "-f")
    try:
        parent = _wait_served(site)
        for pid in (parent, *site.workers()):
            descriptors = _descriptors(pid)
            assert [descriptors[number] for number in range(3)] == ["/dev/null"] * 3
    finally:
        started.terminate()
        started.wait(10)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_log_that_nobody_reads(site, kind):
    """What reads standard error (a container's engine, the journal) has stopped: lookups go on, and so
    does the parent."""
    if kind == "pipe":
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    else:
        ends = socket.socketpair()
        ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        reader, writer = (end.detach() for end in ends)
    site.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    try:
        site.lookupd = subprocess.Popen(
            [os.path.join(site.programs, "lookupd"), "-f", "-v", "-c", site.conf],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer)
        wait_until(site.answers, 15, what="lookups are answered")
        for _ in range(200):
            with site.raw() as client:
                client.send(b"none of the protocol")
                assert b"TEMP" in client.socket.recv(100)
        assert site.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")
        worker, = site.workers()
        os.kill(worker, 9)
        wait_until(lambda: site.workers() and site.workers() != [worker], what="another worker")
        wait_until(site.answers, 15, what="lookups are answered")
        site.stop_lookupd()
        written = os.read(reader, 1 << 20)  # whole lines, each by itself
        assert written.endswith(b"\n") and all(line.startswith(b"lookupd[")
                                               for line in written.splitlines())
    finally:
        os.close(reader)
        os.close(writer)


@AS_ROOT
@pytest.mark.parametrize("setting", ['user = "root"; group = "nogroup";', 'user = "nobody"; group = "root";'])
def test_root_is_refused(site, setting):
    site.write_conf(setting)
    for option in ("-f", "-t"):
        done = subprocess.run([os.path.join(site.programs, "lookupd"), option, "-c", site.conf],
                              capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode in (67, 78) and "root" in done.stderr, done.stderr


CONNECT = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
try:
    client.connect(sys.argv[1])
except PermissionError:
    sys.exit(13)
client.sendall(b"29:relay_domains sandbox.invalid,")
sys.exit(0 if client.recv(100) == b"9:NOTFOUND ," else 1)
"""


@AS_ROOT
def test_peers_of_a_unix_socket(site, folder):
    """Owner, group and mode say who may connect."""
    os.chmod(folder, 0o755)
    path = os.path.join(folder, "socketmap")
    site.write_conf(f'workers = 1; listeners = ({{ protocol = "socketmap"; address = "unix:{path}"; '
                    'owner = "daemon"; group = "mail"; mode = "0660"; });')
    site.start_lookupd()
    status = os.lstat(path)
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (
        pwd.getpwnam("daemon").pw_uid, grp.getgrnam("mail").gr_gid, 0o660)

    def connect(user, *groups):
        return subprocess.run([sys.executable, "-c", CONNECT, path], timeout=20, check=False, user=user,
                              group="nogroup", extra_groups=groups).returncode

    assert connect("nobody", "mail") == 0
    assert connect("daemon") == 0
    assert connect("nobody") == 13
    assert connect("games", "nogroup") == 13
    assert site.answers()


@AS_ROOT
def test_folder_that_gives_its_group(site, folder):
    """As README.md makes it: a socket that a reload has to make, without root's rights, is Postfix's."""
    path = os.path.join(folder, "socketmap")
    mail = grp.getgrnam("mail").gr_gid
    os.chown(folder, pwd.getpwnam(site.account()[0]).pw_uid, mail)
    os.chmod(folder, 0o2750)
    site.write_conf(f'workers = 1; listeners = ({{ protocol = "socketmap"; address = "unix:{path}"; '
                    'group = "mail"; mode = "0660"; });')
    site.start_lookupd()
    os.unlink(path)
    os.kill(site.lookupd.pid, 1)
    wait_until(lambda: "reloaded" in site.log_text(), 15)
    status = os.lstat(path)
    assert (status.st_gid, status.st_mode & 0o7777) == (mail, 0o660), site.log_text()
    wait_until(site.answers, 10)


def test_peers_of_a_tcp_listener(site):
    """Without `allow` only this machine; with it only who is named, and not even this machine."""
    own, named = free_ports(2)
    site.write_conf(f'''workers = 1; listeners = (
      {{ protocol = "socketmap"; address = "inet:0.0.0.0:{own}"; }},
      {{ protocol = "tcp_table"; map = "relay_domains"; address = "inet:0.0.0.0:{named}";
         allow = ( "127.0.0.7", "127.8.0.0/16" ); }});''')
    site.start_lookupd(wait=False)
    wait_until(lambda: site.workers() and ": live" in processes.title(site.workers()[0]), 15)

    def served(source, port, kind):
        """Whether a client with this address is answered; False: it is closed without a word."""
        raw = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
        with contextlib.closing(raw):
            client = kind.__new__(kind)
            client.socket, client.waiting = raw, b""
            name = () if kind is TcpTableClient else ("relay_domains",)
            try:
                return client.query(*name, "sandbox.invalid")[0] == "NOTFOUND"
            except (EOFError, ConnectionError):
                return False

    assert served("127.0.0.1", own, SocketmapClient)
    assert served("127.0.0.7", named, TcpTableClient)
    assert served("127.8.3.2", named, TcpTableClient)
    assert not served("127.0.0.1", named, TcpTableClient)
    assert not served("127.9.0.0", named, TcpTableClient)
    outside = _own_address()
    if outside:
        with pytest.raises((EOFError, ConnectionError)):
            with SocketmapClient(f"{outside}:{own}") as client:
                client.query("relay_domains", "sandbox.invalid")
    assert 'its setting "allow" does not name that network' in site.log_text()


def _own_address():
    """An address of this machine that is not loopback, or None."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = probe.getsockname()[0]
        return None if address.startswith("127.") else address


# Passes descriptors as systemd does: from 3 on, with LISTEN_PID; and some more, which it does not name.
ACTIVATE = """
import os, socket, sys
names, arguments = sys.argv[1].split(":"), sys.argv[2:]
sockets = []
for name in names:
    if name.startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        server.bind(name)
        os.chmod(name, 0o666)
    else:
        server = socket.socket()
        server.bind(("127.0.0.1", int(name)))
    server.listen(64)
    sockets.append(server)
copies = [os.dup(server.fileno()) for server in sockets]
high = [os.dup2(copy, 300 + index) for index, copy in enumerate(copies)]
os.closerange(3, 300)
for index, number in enumerate(high):
    os.dup2(number, 3 + index, inheritable=True)
for number in high:
    os.set_inheritable(number, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES="first:second")
os.execv(arguments[0], arguments)
"""


@pytest.mark.parametrize("foreground", [True, False])
def test_sockets_of_systemd(site, folder, foreground):
    os.chmod(folder, 0o777)
    path = os.path.join(folder, "socketmap")
    (port,) = free_ports(1)
    site.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    site.write_conf('''workers = 2; listeners = (
      { protocol = "socketmap"; address = "systemd:first"; },
      { protocol = "tcp_table"; address = "systemd:second"; map = "relay_domains"; });''')
    started = _start(site, ACTIVATE, f"{path}:{port}", *(["-f"] if foreground else []))
    try:
        if not foreground:
            assert started.wait(20) == 0
        parent = wait_until(lambda: _daemon(site.conf), 15, what=site.log_text())
        site.lookupd = processes.Adopted(parent)
        wait_until(lambda: [title for pid in site.workers()
                            if ": live" in (title := processes.title(pid))].__len__() == 2, 15)
        with SocketmapClient(path) as client, TcpTableClient(f"127.0.0.1:{port}") as other:
            assert client.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")
            assert other.query("d1.example.com") == (OK, "d1.example.com")
            os.kill(parent, 1)  # a reload asks for them again
            if foreground:
                wait_until(lambda: "reloaded " in site.log_text(), 15, what="reloaded")
            assert client.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")
            assert other.query("d1.example.com") == (OK, "d1.example.com")
        with SocketmapClient(path) as client:
            assert client.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")
        for pid in (parent, *site.workers()):
            assert max(_descriptors(pid)) < 60  # the copies from 300 on were not named
        os.kill(parent, 15)
        wait_until(lambda: not processes.is_alive(parent), 10)
        assert os.path.exists(path)  # it is systemd's
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(10)


def test_socket_that_systemd_has_not_passed(site):
    site.write_conf('listeners = ({ protocol = "socketmap"; address = "systemd:lookupd"; });')
    for environment in ({}, {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "lookupd"},
                        {"LISTEN_PID": "self", "LISTEN_FDS": "x", "LISTEN_FDNAMES": "lookupd"},
                        {"LISTEN_PID": "self", "LISTEN_FDS": "-1", "LISTEN_FDNAMES": "lookupd"},
                        {"LISTEN_PID": "self", "LISTEN_FDS": "99999999", "LISTEN_FDNAMES": "lookupd"},
                        {"LISTEN_PID": "self", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "lookup:lookupdd"}):
        done = subprocess.run(
            [sys.executable, "-c",
             "import os, sys\n"
             "if os.environ.get('LISTEN_PID') == 'self': os.environ['LISTEN_PID'] = str(os.getpid())\n"
             "os.execv(sys.argv[1], sys.argv[1:])",
             os.path.join(site.programs, "lookupd"), "-f", "-c", site.conf],
            env={**os.environ, **environment}, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 69 and "systemd has passed no socket" in done.stderr, done.stderr


def test_sockets_of_systemd_that_nobody_serves(site, folder):
    """Whoever connects to one would wait for ever: several of one unit are refused, and one that the
    configuration does not name is told."""
    os.chmod(folder, 0o777)
    path = os.path.join(folder, "socketmap")
    site.write_conf('listeners = ({ protocol = "socketmap"; address = "systemd:first"; });')
    started = _start(site, ACTIVATE.replace("first:second", "first:first"), f"{path}:0", "-f")
    try:
        assert started.wait(20) == 69
        assert "several sockets of that name" in site.log_text()
        os.unlink(path)
        started = _start(site, ACTIVATE, f"{path}:0", "-f")
        parent = wait_until(lambda: _daemon(site.conf), 15, what="there is a daemon")
        assert 'systemd has passed a socket "second" that no listener names' in site.log_text()
        with SocketmapClient(path) as client:
            assert client.query("none", "k")[0] == "TEMP"
        os.kill(parent, 15)
        assert started.wait(10) == 0
    finally:
        started.kill()
        started.wait(10)


@pytest.mark.parametrize("kind", ["socket.SOCK_STREAM", "socket.SOCK_DGRAM"])
def test_socket_of_systemd_that_does_not_listen(site, kind):
    """As of a unit with Accept=yes or ListenDatagram=: refused, and not asked for clients for ever."""
    site.write_conf('listeners = ({ protocol = "socketmap"; address = "systemd:first"; });')
    started = _start(site, ACTIVATE.replace("server.listen(64)", "pass").replace(
        "socket.socket()", f"socket.socket(type={kind})"), "0", "-f")
    try:
        assert started.wait(20) == 69
    finally:
        started.kill()
        started.wait(10)
    assert "does not listen" in site.log_text()


def test_ends_are_told_in_words(site):
    """Each way in which a worker can end has its words in the log."""
    site.write_conf("workers = 1; limits = { stall = 1.0; };")
    site.start_lookupd()
    for number, words in ((9, r"was killed by somebody"), (6, r"Aborted\), which is a fault"),
                          (10, r"User defined signal 1\), which somebody has sent"),
                          (19, r"was killed by lookupd itself")):
        (victim,) = wait_until(site.workers)
        wait_until(lambda: ": live" in processes.title(victim))
        time.sleep(1.1)  # one that dies at once is replaced later and later
        os.kill(victim, number)
        wait_until(lambda: site.workers() and site.workers() != [victim], 10)
        # another may be there before the end of this one is seen
        said = rf"worker 1 \(process {victim}\) .*{words}"
        wait_until(lambda: re.search(said, site.log_text()), what=f"{said} of signal {number}")


def _test(site, settings):
    site.write_conf(settings)
    done = subprocess.run([os.path.join(site.programs, "lookupd"), "-t", "-c", site.conf],
                          capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


def test_everything_wrong_in_one_run(site, folder):
    """-t: settings, folders, accounts and queries, whatever else is wrong."""
    os.chmod(folder, 0o755)
    with open(os.path.join(folder, "file"), "w", encoding="utf-8"):
        pass
    code, errors = _test(site, f'''
dead_line = 3;
listeners = (
  {{ protocol = "socketmap"; address = "unix:{folder}/missing/socketmap"; }},
  {{ protocol = "socketmap"; address = "unix:{folder}/file"; }},
  {{ protocol = "socketmap"; address = "unix:{folder}/file/socketmap"; owner = "no-such-user"; }},
  {{ protocol = "socketmap"; address = "unix:{folder}/good"; group = "no-such-group"; }},
  {{ protocol = "socketmap"; address = "unix:relative"; }}
);
maps = {{
  unparsable = {{ keys = "domain"; query = "SELECT a, b FROM t WHERE a IN (:addresses)"; }};
  nowhere = {{ keys = "domain"; query = "SELECT a, b FROM no_such_table WHERE a IN (:domains)"; }};
  one_column = {{ keys = "domain"; query = "SELECT name FROM domain WHERE name IN (:domains)"; }};
}};''')
    assert code == 78
    lines = errors.splitlines()
    expected = [r"dead_line: unknown setting", r"listeners\[0\].address: the folder .*No such file",
                r"listeners\[1\].address: .*is no socket", r"listeners\[2\].address: .*is no folder",
                r"listeners\[4\].address: ", r"maps.unparsable.query: ",
                r"maps.nowhere.query: .*no_such_table", r"maps.one_column.query: .*two columns"]
    if os.getuid() == 0:
        expected += [r'listeners\[2\].owner: there is no user "no-such-user"',
                     r'listeners\[3\].group: there is no group "no-such-group"']
    for pattern in expected:
        found = [line for line in lines if re.match(re.escape(site.conf) + r":\d+: .*" + pattern, line)]
        assert len(found) == 1, (pattern, errors)
    assert len(lines) == len(expected), errors
    assert not os.path.exists(os.path.join(folder, "good"))


@AS_ROOT
def test_account_that_is_missing(site):
    code, errors = _test(site, 'user = "no-such-user"; group = "no-such-group";')
    assert code == 78
    assert 'user: there is no user "no-such-user"' in errors
    assert 'group: there is no group "no-such-group"' in errors
    started = subprocess.run([os.path.join(site.programs, "lookupd"), "-f", "-c", site.conf],
                             capture_output=True, text=True, timeout=30, check=False)
    assert started.returncode == 67, started.stderr  # systemd need not try again
    assert _test(site, "workers = 1;") == (0, "configuration OK\n")
