"""What tests of the snapshot need: a sandbox with one, and how to wait for a copy."""

import contextlib
import os
import pwd
import struct
import time

import processes
from conftest import _end, new_folder
from processes import wait_until
from sandbox import Sandbox

TRAILER = struct.Struct("<8sIIQQ32s")  # magic, version, 0, taken, size, digest


class SnapshotSandbox(Sandbox):
    """Its snapshots are in .snapshots; interval: seconds between two."""

    def __init__(self, directory, snapshots=None, **settings):
        super().__init__(directory)
        self.snapshots = snapshots or os.path.join(self.directory, "snapshots")
        self.file = os.path.join(self.snapshots, "snapshot.cdb")
        self.snapshot_settings = {"directory": f'"{self.snapshots}"', "interval": 1, **settings}

    def settings(self, **changes):
        """The group of lookupd.conf."""
        values = {**self.snapshot_settings, **changes}
        return "snapshot = { %s };" % " ".join(f"{name} = {value};" for name, value in values.items())

    def up(self, settings="", timeout=30):
        os.makedirs(self.snapshots, mode=0o750, exist_ok=True)
        if os.getuid() == 0:
            account = pwd.getpwnam(self.account()[0])
            os.chown(self.snapshots, account.pw_uid, account.pw_gid)
        super().up(settings + self.settings(), timeout)

    def begin(self):
        """For a test: the database runs, the tables are empty, and all is live. Returns itself."""
        if self.mariadb.pid is None:
            self.mariadb.start()
        self.sql("INSERT INTO service (answering) VALUES ('yes') ON DUPLICATE KEY UPDATE answering = 'yes'")
        self.empty()
        wait_until(self.answers, what="live")
        return self

    def taken(self):
        """When the copy on the disk was taken, seconds since 1970; 0.0: there is none."""
        try:
            with open(self.file, "rb") as file:
                octets = file.read()
            return TRAILER.unpack(octets[-TRAILER.size:])[3] / 1e9
        except (FileNotFoundError, struct.error):
            return 0.0

    def copied(self, timeout=15):
        """Waits until what is in the tables now is in the snapshot of every worker."""
        since = time.time()
        # two of them: workers may get the first a moment after the disk has it
        for _ in range(2):
            begun = max(since, self.taken() + 0.001)
            wait_until(lambda begun=begun: self.taken() >= begun, timeout, 0.05, "a new copy")

    def copied_in_memory(self, timeout=15):
        """The same where nothing reaches the disk: by the keeper's title."""
        for _ in range(3):  # the first may have begun before; with the third the workers have the second
            title = processes.title(self.keeper())
            wait_until(lambda title=title: processes.title(self.keeper()) != title, timeout, 0.05, "a new copy")

    def keeper(self):
        """The process id of the keeper; None: there is none."""
        return next((pid for pid in processes.children(self.lookupd.pid)
                     if processes.title(pid).startswith("lookupd: snapshot keeper")), None)

    def titles(self):
        return [processes.title(pid) for pid in self.workers()]

    def wait_titles(self, text, timeout=10):
        """Waits until the title of every worker has this text."""
        wait_until(lambda: all(text in title for title in self.titles() or [""]), timeout, 0.02,
                   f"titles with {text!r}")

    def wait_log(self, text, timeout=10, since=0):
        return wait_until(lambda: text in self.log_text()[since:], timeout, 0.05, f"log: {text}")


@contextlib.contextmanager
def snapshot_sandbox(request, settings="", **snapshot):
    """One for a test or a file; the log of one whose test failed is shown."""
    sandbox = SnapshotSandbox(new_folder(), **snapshot)
    before = request.session.testsfailed
    try:
        sandbox.up(settings)
        yield sandbox
    finally:
        _end(sandbox, request.session.testsfailed > before)


def unguarded_sandbox(request):
    """One for a file: two workers, a copy every second, no guard."""
    return snapshot_sandbox(request, "workers = 2; limits = { stall = 2.0; };", guard_percent=100)


def add_domains(sandbox, *names):
    with sandbox.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO domain (name) VALUES (%s)", [(name,) for name in names])


def words(sandbox, *keys):
    """The words of relay_domains' answers."""
    with sandbox.socketmap() as client:
        return [client.query("relay_domains", key)[0] for key in keys]
