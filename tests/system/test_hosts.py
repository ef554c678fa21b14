"""Several database hosts: a primary and a replica. The next one when one fails, hangs or falls
behind; back when it has been good for a while; no wrong and no late answer in between."""

import contextlib
import os
import shutil
import subprocess
import time

import pytest

import conftest
from clients import NOTFOUND, OK
from private_mariadb import PrivateMariaDB
from processes import title, wait_until
from replication import ACCOUNT, PRIMARY_OPTIONS, Replica, query
from sandbox import Sandbox, free_ports
from stream import Stream

NAME = "d1.example.com"


class Site:
    """A sandbox whose database is a primary, and a replica of it."""

    def __init__(self):
        self.sandbox = Sandbox(conftest.new_folder())
        self.primary = self.sandbox.mariadb
        self.primary.port = free_ports(1)[0]
        self.primary.options += PRIMARY_OPTIONS
        self.replica = Replica(self.sandbox.path("replica"), self.primary)
        try:
            self.sandbox.up("workers = 2;")
            query(self.primary, *ACCOUNT)
            self.sandbox.sql(f"INSERT INTO domain (name) VALUES ('{NAME}')")
            self.replica.start()
            self.replica.follow()
        except BaseException:
            self.end(True)
            raise

    def end(self, failed):
        self.replica.stop()
        conftest._end(self.sandbox, failed)

    def restart(self, hosts, settings="", wait=True, deadline=2.0):
        """lookupd anew, with these hosts; the log begins anew too."""
        self.sandbox.stop_lookupd()
        with open(self.sandbox.log, "w", encoding="utf-8"):
            pass
        names = ", ".join('"%s"' % self.name(host) for host in hosts)
        self.sandbox.write_conf('workers = 2; deadline = %.1f; database = { hosts = ( %s ); name = "lookupd"; '
                                'user = "lookupd"; %s };' % (deadline, names, settings))
        self.sandbox.start_lookupd(wait=wait)

    @staticmethod
    def name(host):
        return host if isinstance(host, str) else "unix:" + host.socket

    def connections(self, server):
        """Ids of lookupd's connections there."""
        return query(server, "SELECT ID FROM information_schema.PROCESSLIST "
                             "WHERE USER = 'lookupd' ORDER BY ID")

    def says(self, text, times=2, timeout=10):
        """Waits for a line of each worker's log."""
        wait_until(lambda: self.sandbox.log_text().count(text) >= times, timeout,
                   what=f"{text!r} in the log:\n{self.sandbox.log_text()[-3000:]}")


@pytest.fixture(scope="module")
def module_site(request):
    site = Site()
    before = request.session.testsfailed
    yield site
    site.end(request.session.testsfailed > before)


@pytest.fixture
def site(module_site):
    """Both servers run, and the replica has what the primary has."""
    site = module_site
    for server in (site.primary, site.replica):
        if server.pid is None:
            server.start()
    query(site.replica, "START SLAVE")
    site.replica.wait_in_step()
    yield site
    for server in (site.primary, site.replica):
        if server.pid is not None:
            server.cont()


def test_primary_killed_and_back(site):
    """The replica answers at once; the primary again when it has been good for ten seconds."""
    sandbox, primary, replica = site.sandbox, site.primary, site.replica
    site.restart([primary, replica])
    assert site.connections(replica) == ()
    with Stream(sandbox, change_every=None, pause=0.02) as stream:
        site.replica.wait_in_step()
        stream.wait_live()
        primary.kill()
        assert stream.wait_live(5) < 3
        site.says(f"; using {site.name(replica)}")
        wait_until(lambda: all(title(worker).endswith(f": live, using {site.name(replica)}")
                               for worker in sandbox.workers()), 5,
                   what=f"titles: {[title(worker) for worker in sandbox.workers()]}")
        with stream.phase() as well:
            primary.start()
            back = time.monotonic()
            site.says(f"{site.name(primary)}: good again", timeout=30)
            assert time.monotonic() - back > 9
            # two connections a worker, and none is left on the replica
            wait_until(lambda: len(site.connections(primary)) == 4, 10)
            wait_until(lambda: site.connections(replica) == (), 10)
        assert well.temporary == 0, well
        titles = [title(worker) for worker in sandbox.workers()]
        assert all(": live" in each and "using" not in each for each in titles), titles
    stream.check()


def test_primary_hangs(site):
    """What it was asked is asked elsewhere, within the deadline."""
    site.restart([site.primary, site.replica])
    with Stream(site.sandbox, change_every=None, pause=0.05) as stream:
        site.replica.wait_in_step()
        stream.wait_live()
        with stream.phase() as meanwhile:
            site.primary.freeze()
            stream.wait_live(6)
            site.says(f"does not answer; using {site.name(site.replica)}")
        with stream.phase() as well:
            stream.wait_answers(200)
        site.primary.cont()
    stream.check()
    assert meanwhile.longest < 2.5, meanwhile
    assert well.temporary == 0 and well.longest < 1, well


def test_one_connection(site):
    """The only connection to the next host is made before the question is given up on the first."""
    site.restart([site.primary, site.replica], "connections = 1;", deadline=5)
    with site.sandbox.socketmap() as client:
        assert client.query("relay_domains", NAME) == (OK, NAME)
        site.primary.freeze()
        assert client.query("relay_domains", NAME) == (OK, NAME)
    site.primary.cont()


def test_first_host_hangs_at_the_start(site):
    """The second one is used in a moment, and stays quick while the first one is asked again."""
    site.restart([site.primary, site.replica])
    site.primary.freeze()
    site.restart([site.primary, site.replica], wait=False)
    wait_until(lambda: len(site.sandbox.workers()) == 2, 10)
    begun = time.monotonic()
    with site.sandbox.socketmap() as client:
        wait_until(lambda: client.query("relay_domains", NAME) == (OK, NAME), 10)
        assert time.monotonic() - begun < 4
        for _ in range(200):
            asked = time.monotonic()
            assert client.query("relay_domains", NAME) == (OK, NAME)
            assert time.monotonic() - asked < 0.5
            time.sleep(0.01)
    site.primary.cont()


def test_replica_stopped_or_behind(site):
    """With max_lag a replica does not answer from rows that are older than that."""
    sandbox, primary, replica = site.sandbox, site.primary, site.replica
    site.restart([replica, primary], "max_lag = 3;")
    assert len(site.connections(primary)) == 0
    query(replica, "STOP SLAVE")
    site.says(f"replication is stopped; using {site.name(primary)}")
    sandbox.sql("INSERT INTO domain (name) VALUES ('new.example.com')")
    try:
        assert sandbox.query("relay_domains", "new.example.com")[0] == OK
    finally:
        query(replica, "START SLAVE")
        replica.wait_in_step()
        sandbox.sql("DELETE FROM domain WHERE name = 'new.example.com'")

    site.restart([replica, primary], "max_lag = 3;")
    with contextlib.closing(replica.connect()) as locker, locker.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        sandbox.sql("INSERT INTO domain (name) VALUES ('later.example.com')")
        site.says(f"behind, more than max_lag; using {site.name(primary)}", timeout=20)
        assert sandbox.query("relay_domains", "later.example.com")[0] == OK
    sandbox.sql("DELETE FROM domain WHERE name = 'later.example.com'")


def test_replica_without_its_primary(site):
    """It has all that there was when the primary went: it answers, max_lag or not."""
    site.restart([site.primary, site.replica], "max_lag = 3;")
    with Stream(site.sandbox, change_every=None, pause=0.02) as stream:
        site.replica.wait_in_step()
        stream.wait_live()
        site.primary.stop()
        stream.wait_live(10)
        wait_until(lambda: site.replica.status()["Slave_IO_Running"] == "Connecting", 15)
        with stream.phase() as well:
            stream.wait_answers(300)
            time.sleep(2)  # two checks
            stream.wait_answers(300)
        assert well.temporary == 0, well
    stream.check()


def test_alone_and_behind(site):
    """A replica alone that is stopped: temporary, and not one answer from old rows."""
    site.restart([site.replica], "max_lag = 3;")
    query(site.replica, "STOP SLAVE")
    site.says("replication is stopped")
    assert site.sandbox.query("relay_domains", NAME)[0] == "TEMP"
    assert site.sandbox.query("relay_domains", "nowhere.example")[0] == "TEMP"
    query(site.replica, "START SLAVE")
    wait_until(lambda: site.sandbox.query("relay_domains", NAME) == (OK, NAME), 5)


def test_max_lag_without_the_privilege(site):
    """Is said in words, by -t too."""
    site.restart([site.primary], "max_lag = 3;")
    query(site.primary, "REVOKE REPLICA MONITOR ON *.* FROM lookupd_reader")
    try:
        done = subprocess.run([os.path.join(site.sandbox.programs, "lookupd"), "-t", "-c",
                               site.sandbox.conf], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 78 and "needs the privilege REPLICA MONITOR" in done.stderr
    finally:
        query(site.primary, "GRANT REPLICA MONITOR ON *.* TO lookupd_reader")


def _unresolved(site):
    """lookupd beside a resolver that takes three seconds: its answers come from a library of the
    test's own that the program is started with."""
    source = site.sandbox.path("slow.c")
    with open(source, "w", encoding="ascii") as file:
        file.write("""#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    if (name && strstr(name, ".invalid")) {
        sleep(3);
        return EAI_AGAIN;
    }
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    return next(name, service, hints, found);
}
""")
    library = site.sandbox.path("slow.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    return library


@pytest.mark.long
def test_resolver_takes_three_seconds(site, monkeypatch):
    """For the first host's name: the second host is used meanwhile, and nothing waits."""
    monkeypatch.setenv("LD_PRELOAD", _unresolved(site))
    site.restart(["db1.invalid:3306", site.primary])
    with Stream(site.sandbox, change_every=0.05, tables=0) as stream:
        stream.wait_live()
        time.sleep(10)
    assert stream.check().temporary == 0
    assert stream.counts.longest < 1.5


@pytest.mark.long
def test_hosts_come_and_go(site):
    """Both in turn, killed, stopped and frozen, for two minutes."""
    site.restart([site.primary, site.replica])
    with Stream(site.sandbox, change_every=None) as stream:
        site.replica.wait_in_step()
        end = time.monotonic() + 120
        while time.monotonic() < end:
            for server in (site.primary, site.replica):
                for fault, mend in ((server.kill, server.start), (server.stop, server.start),
                                    (server.freeze, server.cont)):
                    stream.wait_live(10)
                    fault()
                    stream.wait_live(10)
                    mend()
    stream.check()


# ---- TLS ----

def _openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, timeout=60, capture_output=True)


def _certificates(folder):
    """ca.pem; right.pem for 127.0.0.1; wrong.pem for another name."""
    os.makedirs(folder)
    _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ca", "-days", "2",
             "-keyout", "ca.key", "-out", "ca.pem")
    for name, subject in (("right", "IP:127.0.0.1"), ("wrong", "DNS:other.example")):
        _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}.example",
                 "-keyout", f"{name}.key", "-out", f"{name}.csr")
        with open(os.path.join(folder, "ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName = {subject}\n")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", f"{name}.pem")
    for name in os.listdir(folder):
        os.chmod(os.path.join(folder, name), 0o644)


def _tls(folder, name):
    return [f"--ssl-ca={folder}/ca.pem", f"--ssl-cert={folder}/{name}.pem", f"--ssl-key={folder}/{name}.key"]


def test_tls(site):
    """A certificate that is not the host's, or no TLS: that host is down, the log says why, and it
    sees no login; the next one, with its right certificate, answers."""
    folder = site.sandbox.path("tls")
    shutil.rmtree(folder, ignore_errors=True)
    _certificates(folder)
    option_file = site.sandbox.path("tls.cnf")
    with open(option_file, "w", encoding="ascii") as file:
        file.write(f"[client]\npassword = secret\nssl-ca = {folder}/ca.pem\nssl-verify-server-cert\n")
    os.chmod(option_file, 0o600)
    query(site.primary, "CREATE OR REPLACE USER lookupd@'127.0.0.1' IDENTIFIED BY 'secret'",
          "GRANT lookupd_reader TO lookupd@'127.0.0.1'",
          "SET DEFAULT ROLE lookupd_reader FOR lookupd@'127.0.0.1'")
    site.primary.stop()
    site.primary.options += _tls(folder, "right")
    site.primary.start()
    other = PrivateMariaDB(site.sandbox.path("other"), free_ports(1)[0])
    hosts = [f"127.0.0.1:{other.port}", f"127.0.0.1:{site.primary.port}"]
    try:
        for options, reason in ((_tls(folder, "wrong"), "TLS/SSL error"),
                                (["--skip-ssl"], "TLS")):
            other.options = [*options, "--log-warnings=9"]
            other.start()
            if not query(other, "SELECT 1 FROM mysql.user WHERE User = 'lookupd'"):
                query(other, "CREATE USER lookupd@'127.0.0.1' IDENTIFIED BY 'another'")
            (before,), = query(other, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
                                      "WHERE VARIABLE_NAME = 'CONNECTIONS'")
            site.restart(hosts, f'option_file = "{option_file}";')
            assert site.sandbox.query("relay_domains", NAME) == (OK, NAME)
            assert site.sandbox.query("relay_domains", "nowhere.example") == (NOTFOUND, "")
            site.says(f"; using {hosts[1]}")
            lines = [line for line in site.sandbox.log_text().splitlines() if "; using" in line]
            assert all(hosts[0] in line and reason in line for line in lines), lines
            assert "secret" not in site.sandbox.log_text()
            assert site.connections(other) == ()
            # with log-warnings a login that fails is in the error log: there was none
            assert "Access denied" not in other.error_log()
            assert int(before) > 0
            other.stop()
    finally:
        other.stop()
        site.primary.stop()
        del site.primary.options[-3:]
        site.primary.start()
