"""A private MariaDB server for tests: own folder, own socket, no password for root, small and fast.

It never touches the system's server: --no-defaults, a socket in its own folder, and a TCP port only
when one is asked for. It is stopped by its process id, with bounds.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time

import pymysql

import processes

# mariadbd is there, and an ordinary user's PATH has it not.
os.environ["PATH"] = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin"

# That data outlive the machine is of no use to a test, and the machine may be small; they must outlive
# a kill -9 of the server, though: trx-commit=2 gives each commit to the kernel.
OPTIONS = [
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--aria-pagecache-buffer-size=8M",
    "--key-buffer-size=1M",
    "--performance-schema=OFF",
    "--skip-name-resolve",
    "--skip-log-bin",
]


class PrivateMariaDB:
    """A server in a folder. root comes in through .socket without a password."""

    def __init__(self, directory, port=None, options=(), address="127.0.0.1", socket=None):
        """port None: the socket only. options: further options of mariadbd; a later one wins.
        socket: its path, where the folder's own would be too long for a socket (107 octets)."""
        self.directory = os.path.abspath(directory)
        self.socket = socket or os.path.join(self.directory, "mariadb.sock")
        self.port = port
        self.address = address
        self.options = list(options)
        self.log = os.path.join(self.directory, "error.log")
        self.data = os.path.join(self.directory, "data")
        # not /tmp: servers that are made at the same time took each other's files there
        self.temporary = os.path.join(self.directory, "tmp")
        self.process = None

    def _as_mysql(self, command):
        """mariadbd refuses to run as root, and its files should not be root's."""
        if os.getuid() != 0:
            return command
        return ["setpriv", "--reuid=mysql", "--regid=mysql", "--clear-groups", *command]

    def _install(self):
        os.makedirs(self.temporary, exist_ok=True)
        if os.getuid() == 0:
            account = pwd.getpwnam("mysql")
            for folder in (self.directory, self.temporary):
                os.chown(folder, account.pw_uid, account.pw_gid)
            os.chmod(self.directory, 0o755)
        made = subprocess.run(
            self._as_mysql(
                ["mariadb-install-db", "--no-defaults", "--datadir=" + self.data,
                 "--tmpdir=" + self.temporary,
                 "--auth-root-authentication-method=normal", "--skip-test-db"]),
            cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        if made.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise RuntimeError("mariadb-install-db failed:\n" + made.stdout)

    def adopt(self):
        """Takes over the server that runs in this folder, started by another program. True when
        there is one."""
        try:
            with open(os.path.join(self.directory, "mariadb.pid"), encoding="ascii") as file:
                self.process = processes.Adopted(int(file.read()))
        except (FileNotFoundError, ValueError):
            self.process = None
        return self.pid is not None

    def start(self, timeout=60):
        """Makes the data folder at the first start. Returns when a connection works."""
        if not os.path.isdir(os.path.join(self.data, "mysql")):
            self._install()
        if self.port is None:
            network = ["--skip-networking"]
        else:
            network = [f"--port={self.port}", "--bind-address=" + self.address]
        command = ["mariadbd", "--no-defaults", "--datadir=" + self.data, "--socket=" + self.socket,
                   "--tmpdir=" + self.temporary,
                   "--pid-file=" + os.path.join(self.directory, "mariadb.pid"),
                   "--log-error=" + self.log, *OPTIONS, *network, *self.options]
        # its own session: an interrupt typed at a terminal is for the tests, not for the server
        self.process = subprocess.Popen(
            self._as_mysql(command), cwd=self.directory, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + timeout
        while True:
            try:
                self.connect(database=None).close()
                return
            except pymysql.err.OperationalError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.kill()
                    raise RuntimeError("mariadbd does not start:\n" + self.error_log()) from None
                time.sleep(0.05)

    @property
    def pid(self):
        """The process id of a running server, else None."""
        return self.process.pid if self.process and self.process.poll() is None else None

    def stop(self, timeout=30):
        """An orderly end; a server that takes longer than the bound is killed."""
        if self.pid is None:
            return
        self.cont()
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        """kill -9: what a crash looks like."""
        if self.pid is not None:
            self.process.kill()
        if self.process is not None:
            self.process.wait(30)

    def freeze(self):
        """SIGSTOP: a server that accepts connections and never answers. cont() ends it."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def cont(self):
        """SIGCONT: ends freeze()."""
        os.kill(self.process.pid, signal.SIGCONT)

    def error_log(self):
        """The end of the server's error log."""
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()[-4000:]
        except FileNotFoundError:
            return "(no error log)"

    def connect(self, user="root", password=None, database="lookupd", **options):
        """A PyMySQL connection in autocommit mode, through the socket unless host is given."""
        if "host" not in options:
            options.setdefault("unix_socket", self.socket)
        options.setdefault("charset", "utf8mb4")
        options.setdefault("autocommit", True)
        options.setdefault("connect_timeout", 5)
        return pymysql.connect(user=user, password=password or "", database=database, **options)

    def load(self, database, *files):
        """Makes a database anew and loads SQL files into it with the mariadb client, as a DBA.
        Sessions that are left in it are ended: one that a failed test left in a transaction would
        make the DROP wait."""
        with contextlib.closing(self.connect(database=None)) as root, root.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.PROCESSLIST WHERE db = %s", (database,))
            for (session,) in cursor.fetchall():
                with contextlib.suppress(pymysql.err.MySQLError):
                    cursor.execute("KILL %s", (session,))
        sql = f"DROP DATABASE IF EXISTS `{database}`; CREATE DATABASE `{database}`"
        client = ["mariadb", "--no-defaults", "-uroot", "-S", self.socket]
        subprocess.run([*client, "-e", sql], check=True, timeout=60)
        for name in files:
            with open(name, "rb") as file:
                done = subprocess.run([*client, database], stdin=file, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"{name}: {done.stdout}")
