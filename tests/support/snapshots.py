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


def _taken_of(path):
    """When a copy was taken, seconds since 1970; 0.0: there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(-TRAILER.size, os.SEEK_END)
            return TRAILER.unpack(file.read())[3] / 1e9
    except (OSError, struct.error):
        return 0.0


def _taken_in(pid):
    """The same for the copy that a process has in memory."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(os.path.join(folder, name)).startswith("/memfd:lookupd-snapshot"):
                    return _taken_of(os.path.join(folder, name))
    return 0.0


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
        return _taken_of(self.file)

    def copied(self, timeout=15):
        """Waits until what is in the tables now is in the snapshot on the disk, and of every worker."""
        since = time.time()
        wait_until(lambda: self.taken() >= since, timeout, 0.05, "a new copy")
        if os.getuid() == 0:
            wait_until(lambda: all(_taken_in(pid) >= since for pid in self.workers() or [0]), timeout, 0.02,
                       "a new copy in every worker")
            return
        # nobody else may look into them: they had time enough for the first when there is another
        since = self.taken() + 0.001
        wait_until(lambda: self.taken() >= since, timeout, 0.05, "another copy")

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
