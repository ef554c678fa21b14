"""Faults that a hostile reading has found once; each was seen before it was mended."""

import os
import signal
import socket
import subprocess
import threading
import time

import pytest

import processes
from clients import NOTFOUND, OK, TEMP, SocketmapClient
from processes import wait_until
from sandbox import free_ports
from tls import self_signed

SANDBOX_SETTINGS = "workers = 2;"


def _kill_connections(sandbox):
    with sandbox.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'lookupd'")
        for (number,) in cursor.fetchall():
            try:
                cursor.execute(f"KILL {number}")
            except Exception:  # it has ended by itself
                pass


class Asking:
    """Clients that ask one key all the time; answers that were not as expected are in .wrong."""

    def __init__(self, sandbox, name, key, expected, count=4):
        self.sandbox, self.question, self.expected = sandbox, (name, key), expected
        self.wrong, self.right, self.longest = [], 0, 0.0
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self._run) for _ in range(count)]

    def _run(self):
        with self.sandbox.socketmap() as client:
            while not self.stopped.is_set():
                begun = time.monotonic()
                answer = client.query(*self.question)
                self.longest = max(self.longest, time.monotonic() - begun)
                if answer == self.expected:
                    self.right += 1
                else:
                    self.wrong.append(answer)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def test_tls_connections_killed(new_sandbox, folder):
    """Over TLS, a connection that breaks must not break those that come after it."""
    sandbox = new_sandbox()
    key, certificate = self_signed(folder, "db")
    option_file = os.path.join(folder, "my.cnf")
    with open(option_file, "w", encoding="utf-8") as file:
        file.write(f"[client]\nssl-ca = {certificate}\nssl-verify-server-cert\n")
    os.chmod(option_file, 0o600)
    sandbox.stop_lookupd()
    sandbox.sql("CREATE USER lookupd@'127.0.0.1' REQUIRE SSL", "GRANT lookupd_reader TO lookupd@'127.0.0.1'",
                "SET DEFAULT ROLE lookupd_reader FOR lookupd@'127.0.0.1'",
                "INSERT INTO domain (name) VALUES ('d1.example.com')")
    sandbox.mariadb.stop()
    (sandbox.mariadb.port,) = free_ports(1)
    sandbox.mariadb.options = [f"--ssl-key={key}", f"--ssl-cert={certificate}"]
    sandbox.mariadb.start()
    sandbox.write_conf(f'workers = 1; database = {{ hosts = ( "127.0.0.1:{sandbox.mariadb.port}" ); '
                       f'option_file = "{option_file}"; }};')
    sandbox.start_lookupd()
    with Asking(sandbox, "relay_domains", "d1.example.com", (OK, "d1.example.com")) as asking:
        for _ in range(5):
            time.sleep(0.4)
            _kill_connections(sandbox)
        time.sleep(1)
    assert len(asking.wrong) <= 5 * 4  # the retry, too, may meet a connection that is just killed
    assert asking.right > 500
    with sandbox.socketmap() as client:
        for _ in range(200):
            assert client.query("relay_domains", "d1.example.com") == (OK, "d1.example.com")
    assert sandbox.log_text().count("connection lost") < 40
    # a server that no longer offers TLS is refused
    sandbox.mariadb.stop()
    sandbox.mariadb.options = ["--skip-ssl"]
    sandbox.mariadb.start()
    sandbox.sql("ALTER USER lookupd@'127.0.0.1' REQUIRE NONE")
    time.sleep(1)
    assert sandbox.query("relay_domains", "d1.example.com")[0] == TEMP


@pytest.mark.parametrize("length", [1099, 1101, 2500, 3071, 3072])
def test_long_exact_keys(new_sandbox, length):
    sandbox = new_sandbox("workers = 1;")
    key = "k" * length
    sandbox.sql("CREATE TABLE `long` (k VARCHAR(3072) CHARACTER SET ascii PRIMARY KEY, v TEXT)",
                f"INSERT INTO `long` VALUES ('{key}', 'v')", "GRANT SELECT ON lookupd.* TO lookupd_reader")
    sandbox.stop_lookupd()
    sandbox.write_conf('maps = { long = { keys = "exact"; '
                       'query = "SELECT k, v FROM `long` WHERE k IN (:key)"; }; };')
    sandbox._ready_map = "relay_domains"
    sandbox.start_lookupd()
    with sandbox.socketmap() as client:
        assert client.query("long", key) == (OK, "v")
        assert client.query("long", key[:-1]) == (NOTFOUND, "")


def test_one_locked_table_leaves_the_others(sandbox):
    """A map that waits for a lock has one connection of a worker, never all of them."""
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    with sandbox.connect() as locker, locker.cursor() as cursor:
        with Asking(sandbox, "relay_domains", "d1.example.com", (OK, "d1.example.com"), 6) as good:
            cursor.execute("LOCK TABLES recipient WRITE")
            with Asking(sandbox, "relay_recipients", "u@d1.example.com", None, 6):
                time.sleep(4)
                cursor.execute("UNLOCK TABLES")
    assert good.wrong == []
    assert good.longest < 1.0


def test_one_locked_table_of_several_maps(sandbox):
    """Maps that wait for the same lock: once each has been found to wait (which takes them a round of
    1.8 s, two at a time here), they leave a connection of every worker to the others."""
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    with sandbox.connect() as locker, locker.cursor() as cursor:
        cursor.execute("LOCK TABLES access WRITE")
        maps = ("client_access", "sender_access", "recipient_access")
        waiting = [Asking(sandbox, name, "mail.example.com", None, 3) for name in maps]
        for each in waiting:
            each.__enter__()
        time.sleep(4.5)
        with Asking(sandbox, "relay_domains", "d1.example.com", (OK, "d1.example.com"), 6) as good:
            time.sleep(3)
        cursor.execute("UNLOCK TABLES")
        for each in waiting:
            each.__exit__()
    assert good.wrong == []
    assert good.longest < 1.0


def test_rows_for_lists_that_are_not_named(new_sandbox):
    """A row's key may be a candidate of a list that the query does not name."""
    sandbox = new_sandbox("workers = 1;")
    sandbox.sql("INSERT INTO domain (name) VALUES ('a.example')")
    sandbox.stop_lookupd()
    sandbox.write_conf('maps = { all = { keys = "address"; query = "SELECT CONCAT(\'@\', name), '
                       '\'all@x.example\' FROM domain WHERE name IN (:domains)"; }; };')
    sandbox._ready_map = "relay_domains"
    sandbox.start_lookupd()
    assert sandbox.query("all", "joe@a.example") == (OK, "all@x.example")
    assert sandbox.query("all", "joe@b.example") == (NOTFOUND, "")


def test_log_stays_small(sandbox):
    """Lookups that fail, of several maps in turn, do not fill the log."""
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    before = len(sandbox.log_text())
    sandbox.sql("RENAME TABLE domain TO away")
    try:
        with sandbox.socketmap() as client:
            for _ in range(300):
                for name in ("relay_domains", "transport", "relay_recipients"):
                    assert client.query(name, "d1.example.com")[0] == TEMP
    finally:
        sandbox.sql("RENAME TABLE away TO domain")
    assert sandbox.query("relay_domains", "d1.example.com")[0] == OK
    assert len(sandbox.log_text()) - before < 5000


def test_group_concat_is_not_cut(new_sandbox):
    sandbox = new_sandbox("workers = 1;")
    sandbox.sql("CREATE TABLE many (k VARCHAR(50), v VARCHAR(100), KEY (k))",
                "INSERT INTO many SELECT 'k', CONCAT('user', seq, '@example.com') FROM seq_1_to_3000",
                "GRANT SELECT ON lookupd.* TO lookupd_reader", "SET GLOBAL group_concat_max_len = 1024")
    sandbox.stop_lookupd()
    sandbox.write_conf('maps = { many = { keys = "exact"; query = "SELECT k, GROUP_CONCAT(v ORDER BY '
                       'v SEPARATOR \',\') FROM many WHERE k IN (:key) GROUP BY k"; }; };')
    sandbox._ready_map = "relay_domains"
    sandbox.start_lookupd()
    word, value = sandbox.query("many", "k")
    assert word == OK and len(value.split(",")) == 3000
    sandbox.sql("INSERT INTO many SELECT 'k', CONCAT('user', seq, '@example.com') FROM seq_3001_to_9000")
    assert sandbox.query("many", "k")[0] == TEMP  # too long for a reply, and never cut


def test_larger_statement_serves_when_no_other_fits(new_sandbox):
    """max_prepared_stmt_count reached: a statement that is there already answers single lookups."""
    sandbox = new_sandbox("workers = 1;")
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    sandbox.stop_lookupd()
    with open(sandbox.conf, encoding="utf-8") as file:
        text = file.read()
    assert "database = {" in text
    with open(sandbox.conf, "w", encoding="utf-8") as file:
        file.write(text.replace("database = {", "database = { connections = 1;"))
    sandbox.start_lookupd()
    # busy clients make the connection prepare statements for several lookups, and for one
    with Asking(sandbox, "transport", "u@d1.example.com", (OK, "relay:"), 12) as asking:
        time.sleep(1)
    assert asking.wrong == []
    sandbox.sql("SET GLOBAL max_prepared_stmt_count = 0")
    with sandbox.socketmap() as client:
        for _ in range(50):
            assert client.query("transport", "u@d1.example.com") == (OK, "relay:")
    sandbox.sql("SET GLOBAL max_prepared_stmt_count = 16382")


def test_burst_of_connects(sandbox):
    """Clients that come at once: none finds the backlog full, and workers get about as many each."""
    sandbox.sql("INSERT INTO domain (name) VALUES ('d1.example.com')")
    clients = []
    try:
        for _ in range(1000):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(0)  # as Postfix: EAGAIN is an error
            client.connect(sandbox.env["SOCKETMAP"])
            clients.append(client)
        for client in clients:
            client.settimeout(10)
            client.sendall(SocketmapClient.request("relay_domains", "d1.example.com"))
        for client in clients:
            assert client.recv(100) == b"17:OK d1.example.com,"
        counts = [processes.fd_count(pid) for pid in sandbox.workers()]
        assert max(counts) - min(counts) < 250, counts
    finally:
        for client in clients:
            client.close()


def test_inherited_signals(new_sandbox):
    """Whoever starts lookupd may have SIGCHLD ignored and SIGTERM blocked."""
    sandbox = new_sandbox()
    sandbox.stop_lookupd()
    with open(sandbox.log, "ab") as log:
        sandbox.lookupd = subprocess.Popen(
            ["/usr/bin/python3", "-c",
             "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
             "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD]); "
             "os.execv(sys.argv[1], sys.argv[1:])",
             os.path.join(sandbox.programs, "lookupd"), "-f", "-c", sandbox.conf],
            cwd=sandbox.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(sandbox.answers, 15)
    victim = sandbox.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: len(sandbox.workers()) == 2 and victim not in sandbox.workers(), 2)
    workers = sandbox.workers()
    begun = time.monotonic()
    sandbox.lookupd.terminate()
    sandbox.lookupd.wait(5)
    assert time.monotonic() - begun < 3
    assert not any(processes.is_alive(pid) for pid in workers)


def test_pause_of_all_processes(new_sandbox):
    """A frozen machine (or Ctrl-Z) that goes on finds its workers healthy."""
    sandbox = new_sandbox("workers = 2; limits = { stall = 1.0; };")
    workers = sandbox.workers()
    everybody = [sandbox.lookupd.pid, *workers]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.5)
    for pid in everybody:  # the parent first
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.02)
    time.sleep(1)
    assert sandbox.workers() == workers


def test_socket_of_another_instance_is_left_alone(new_sandbox, folder):
    """An old lookupd that ends does not take away the socket that a new one has put in its place."""
    os.chmod(folder, 0o777)
    path = os.path.join(folder, "socketmap")
    sandbox = new_sandbox(f'workers = 1; listeners = ({{ protocol = "socketmap"; mode = "0666"; '
                          f'address = "unix:{path}"; }});')
    assert (os.stat(path).st_mode & 0o777) == 0o666
    old = sandbox.lookupd
    os.unlink(path)
    sandbox.start_lookupd()
    old.terminate()
    old.wait(5)
    assert sandbox.answers()
    sandbox.stop_lookupd()
    assert not os.path.exists(path)


def test_link_in_place_of_the_socket(new_sandbox, folder):
    """The socket's folder may be writable by others: nothing but a socket is replaced."""
    target = os.path.join(folder, "precious")
    path = os.path.join(folder, "socketmap")
    sandbox = new_sandbox("workers = 1;")
    sandbox.stop_lookupd()
    sandbox.write_conf(f'listeners = ({{ protocol = "socketmap"; mode = "0666"; '
                       f'address = "unix:{path}"; }});')
    with open(target, "w", encoding="utf-8"):
        pass
    os.chmod(target, 0o600)
    os.symlink(target, path)
    done = subprocess.run([os.path.join(sandbox.programs, "lookupd"), "-f", "-c", sandbox.conf],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0 and "no socket" in done.stderr
    assert os.path.islink(path) and os.stat(target).st_mode & 0o777 == 0o600
