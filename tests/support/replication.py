"""A primary and a replica: real replication between two private servers."""

import contextlib

import pymysql

from private_mariadb import PrivateMariaDB
from processes import wait_until

PRIMARY_OPTIONS = ["--server-id=1", "--log-bin=binlog", "--binlog-format=ROW"]
ACCOUNT = ("CREATE USER IF NOT EXISTS repl@'127.0.0.1' IDENTIFIED BY 'repl'",
           "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'")


def query(server, *statements):
    """Runs statements as root; returns the rows of the last."""
    with contextlib.closing(server.connect(database=None)) as root, root.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


class Replica(PrivateMariaDB):
    """A replica of a server that was started with PRIMARY_OPTIONS and a port, and has ACCOUNT."""

    def __init__(self, directory, primary, options=()):
        super().__init__(directory, options=["--server-id=2", "--read-only", "--slave-net-timeout=4",
                                             *options])
        self.primary = primary

    def follow(self):
        """Begins with the primary's first event, and returns when it has all that is there."""
        query(self, f"CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {self.primary.port}, "
                    "MASTER_USER = 'repl', MASTER_PASSWORD = 'repl', MASTER_CONNECT_RETRY = 1, "
                    "MASTER_USE_GTID = slave_pos", "START SLAVE")
        self.wait_in_step()

    def status(self):
        """The row of SHOW SLAVE STATUS, by column."""
        with contextlib.closing(self.connect(database=None)) as root, \
                root.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW SLAVE STATUS")
            return cursor.fetchone()

    def wait_in_step(self, timeout=30):
        """Returns when everything that the primary has committed is there."""
        (position,), = query(self.primary, "SELECT @@gtid_binlog_pos")
        wait_until(lambda: query(self, "SELECT @@gtid_slave_pos") == ((position,),), timeout,
                   what=f"the replica at {position}: {self.status()}")
