"""lookupd on a Galera cluster of three nodes: nodes that stop, die, join, lag or lose their cluster
give no wrong answer and no late one; wsrep_sync_wait sees what was written on another node."""

import contextlib
import time

import pymysql
import pytest

import conftest
import galera
from clients import NOTFOUND, OK
from processes import wait_until
from sandbox import DATABASE, Sandbox
from stream import Stream

pytestmark = pytest.mark.skipif(not galera.can_run(), reason="needs root and the package galera-4")


class ClusterSandbox(Sandbox):
    """A sandbox whose lookupd asks a cluster. root's connections go to the first node that is
    synced."""

    def __init__(self, directory):
        super().__init__(directory)
        self.cluster = galera.Cluster(self.path("galera"))
        self.mariadb = self.cluster.nodes[0]  # what env names

    def begin(self):
        self._make_folder()
        self.cluster.start()
        self.load_schema()

    def settings(self, hosts=(0, 1, 2), more=""):
        names = ", ".join(f'"unix:{self.cluster.nodes[number].socket}"' for number in hosts)
        return ('workers = 2; database = { hosts = ( %s ); name = "%s"; user = "lookupd"; %s };'
                % (names, DATABASE, more))

    def again(self, *arguments, **named):
        self.stop_lookupd()
        with open(self.log, "w", encoding="utf-8"):
            pass
        self.write_conf(self.settings(*arguments, **named))
        self.start_lookupd()

    def connect(self, user="root", password=None, database=DATABASE, **options):
        for node in self.cluster.nodes:
            if node.pid is not None and node.state() == "Synced":
                return node.connect(user, password, database, **options)
        raise pymysql.err.OperationalError(2003, "no node is synced")

    def says(self, text, timeout=20):
        wait_until(lambda: text in self.log_text(), timeout,
                   what=f"{text!r} in the log:\n{self.log_text()[-3000:]}")

    def end(self, failed):
        try:
            self.stop_lookupd()
        finally:
            self.cluster.stop()
            conftest._end(self, failed)


@pytest.fixture(scope="module")
def module_site(request):
    site = ClusterSandbox(conftest.new_folder())
    before = request.session.testsfailed
    try:
        site.begin()
        yield site
    finally:
        site.end(request.session.testsfailed > before)


@pytest.fixture
def site(module_site):
    """All nodes are synced members."""
    for node in module_site.cluster.nodes:
        if node.pid is None:
            node.start()
        wait_until(lambda node=node: node.state() == "Synced", 60, what=f"{node.name} synced")
    yield module_site
    for node in module_site.cluster.nodes:
        if node.pid is not None:
            node.cont()
            with contextlib.suppress(pymysql.MySQLError):
                node.query("SET GLOBAL wsrep_desync = OFF")


def _same_everywhere(site, table):
    """Waits until the nodes hold the same rows."""
    rows = {node: None for node in site.cluster.nodes if node.pid is not None}

    def same():
        for node in rows:
            rows[node] = node.query("SET wsrep_sync_wait = 1", f"SELECT * FROM {DATABASE}.{table}")
        return len(set(rows.values())) == 1
    wait_until(same, 20)


def test_written_on_another_node(site):
    """With wsrep_sync_wait = 1 the lookup after a COMMIT on another node sees it, each time."""
    second = site.cluster.nodes[1]
    site.again((0, 1, 2), "wsrep_sync_wait = 1; connections = 1;")
    with site.socketmap() as client, contextlib.closing(second.connect()) as writer, \
            writer.cursor() as cursor:
        for number in range(100):
            name = f"w{number}.example.com"
            assert client.query("relay_domains", name) == (NOTFOUND, "")
            cursor.execute("INSERT INTO domain (name) VALUES (%s)", (name,))
            assert client.query("relay_domains", name) == (OK, name)
            cursor.execute("DELETE FROM domain WHERE name = %s", (name,))
            assert client.query("relay_domains", name) == (NOTFOUND, "")


def test_node_that_lost_its_cluster(site):
    """A node in no primary component has old rows: it is left, with what it was asked."""
    site.again()
    with Stream(site, change_every=None, pause=0.05) as stream:
        _same_everywhere(site, "domain")
        stream.wait_live()
        first = site.cluster.nodes[0]
        first.query("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'")
        try:
            site.says("is not ready")
            site.says(f"; using unix:{site.cluster.nodes[1].socket}")
            stream.wait_live(5)
            site.sql("INSERT INTO domain (name) VALUES ('elsewhere.example.com')")
            site.sql("DELETE FROM domain WHERE name = 'elsewhere.example.com'")
        finally:
            first.query("SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'")
    stream.check()


def test_desynced_node(site):
    """Used only while there is none better: it may be behind."""
    site.again()
    first, second = site.cluster.nodes[:2]
    with Stream(site, change_every=None, pause=0.05) as stream:
        _same_everywhere(site, "domain")
        stream.wait_live()
        with stream.phase() as meanwhile:
            first.query("SET GLOBAL wsrep_desync = ON")
            site.says(f"; using unix:{second.socket}")
            stream.wait_live()
        assert meanwhile.temporary == 0, meanwhile
        site.again((0,))
        first.query("SET GLOBAL wsrep_desync = ON")
        stream.wait_live()
    stream.check(lost=None, refused=None)
    assert site.query("relay_domains", "nowhere.example") == (NOTFOUND, "")


def test_nodes_stopped_and_killed(site):
    """One after the other until one is left, which answers; then they come back."""
    site.again(more="wsrep_sync_wait = 1;")
    nodes = site.cluster.nodes
    with Stream(site, change_every=None, pause=0.05) as stream:
        _same_everywhere(site, "domain")
        stream.wait_live()
        nodes[0].kill()
        assert stream.wait_live(12) < 10
        # two are left, and then one: an orderly end leaves it the cluster
        wait_until(lambda: nodes[2].query("SHOW STATUS LIKE 'wsrep_cluster_size'")[0][1] == "2", 30)
        nodes[1].stop()
        assert stream.wait_live(10) < 5
        site.says(f"using unix:{nodes[2].socket}")
        with stream.phase() as well:
            stream.wait_answers(300)
            # joins while it is the first in the list: no answer before it has all rows
            nodes[0].start()
            stream.wait_answers(300)
            nodes[1].start()
            stream.wait_answers(300)
    stream.check()
    assert well.temporary < well.found, well


@pytest.mark.long
def test_load_and_changes_while_nodes_go(site):
    """A writer at work, and the nodes stopped, killed, frozen and isolated in turn for minutes."""
    site.again(more="wsrep_sync_wait = 1;")
    nodes = site.cluster.nodes
    with Stream(site, change_every=0.05) as stream:
        for _ in range(3):
            for node in nodes:
                for fault, mend in ((node.stop, node.start), (node.kill, node.start),
                                    (node.freeze, node.cont)):
                    stream.wait_live(20)
                    fault()
                    stream.wait_live(30)
                    time.sleep(2)
                    mend()
                    wait_until(lambda node=node: node.state() == "Synced", 90)
    stream.check()
    assert stream.counts.found > 1000
