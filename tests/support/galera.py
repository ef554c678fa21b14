"""A Galera cluster: three private nodes, on 127.0.1.1, .2 and .3, each with its folder and socket.

Needs root (the nodes run as the account mysql: a state transfer by rsync fails when root runs them)
and the packages galera-4, rsync and lsof. It takes some fifteen seconds to start.
"""

import contextlib
import os
import socket

import pymysql

from private_mariadb import PrivateMariaDB
from processes import wait_until

PROVIDER = "/usr/lib/galera/libgalera_smm.so"


def can_run():
    """Whether there can be a cluster on this machine."""
    return os.getuid() == 0 and os.path.exists(PROVIDER)


def _is_free(address, port):
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


class Node(PrivateMariaDB):
    """A node; .name, .address, .port."""

    def __init__(self, directory, number, cluster):
        address = f"127.0.1.{number}"
        self.name = f"n{number}"
        self.cluster = cluster
        ports = cluster.ports
        gcomm = ",".join(f"127.0.1.{each}:{ports['gcast']}" for each in range(1, cluster.size + 1))
        super().__init__(os.path.join(directory, self.name), ports["sql"], address=address, options=[
            "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON",
            "--wsrep-provider=" + PROVIDER, "--wsrep-cluster-address=gcomm://" + gcomm,
            "--wsrep-node-address=" + address, "--wsrep-node-name=" + self.name,
            "--wsrep-sst-method=rsync", f"--wsrep-sst-receive-address={address}:{ports['sst']}",
            f"--wsrep-provider-options=gmcast.listen_addr=tcp://{address}:{ports['gcast']};"
            f"ist.recv_addr={address}:{ports['ist']};gcache.size=16M;"
            # a node that is killed is missed soon, on a busy machine not too soon
            "evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT8S",
        ])

    def start(self, timeout=90):
        """Returns when it is a synced member."""
        super().start(timeout)
        wait_until(lambda: self.state() == "Synced", timeout, what=f"{self.name} synced")

    def query(self, *statements, database=None):
        """Runs statements as root; returns the rows of the last."""
        with contextlib.closing(self.connect(database=database)) as root, root.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def state(self):
        """wsrep_local_state_comment, or None."""
        try:
            rows = self.query("SHOW STATUS LIKE 'wsrep_local_state_comment'")
            return rows[0][1] if rows else None
        except pymysql.MySQLError:
            return None


class Cluster:
    """start(), .nodes, stop(). A node that was stopped comes back with its own start()."""

    def __init__(self, directory, size=3):
        self.size = size
        # below the range of outgoing connections, the same on all addresses
        base = next(port for port in range(21000, 31000, 10)
                    if all(_is_free(f"127.0.1.{number}", port + step)
                           for number in range(1, size + 1) for step in range(4)))
        self.ports = dict(zip(("sql", "gcast", "ist", "sst"), range(base, base + 4)))
        self.nodes = [Node(directory, number + 1, self) for number in range(size)]

    def start(self):
        first = self.nodes[0]
        first.options.append("--wsrep-new-cluster")
        first.start()
        first.options.remove("--wsrep-new-cluster")
        for node in self.nodes[1:]:
            node.start()

    def stop(self):
        for node in reversed(self.nodes):
            with contextlib.suppress(ProcessLookupError):
                node.kill()
