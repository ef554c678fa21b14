"""A private named in a folder: real zones, really transferred. Nothing of it touches the system's.

It listens on one address and port of the loopback, asks nobody, and is stopped by its process id.
"""

import os
import signal
import struct
import subprocess

import processes

OPTIONS = """\
options {{
    directory "{dir}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file "{dir}/named.pid";
    session-keyfile "{dir}/session.key";
    managed-keys-directory "{dir}";
    recursion no;
    dnssec-validation no;
    {more}
}};
controls {{ }};
"""


class PrivateNamed:
    def __init__(self, directory, port, more=""):
        """more: further options."""
        self.directory = os.path.realpath(directory)
        self.port = port
        self.more = more
        self.conf = self.path("named.conf")
        self.zones = ""
        self.process = None
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_conf(self, zones):
        """zones: the zone statements."""
        self.zones = zones
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(OPTIONS.format(dir=self.directory, port=self.port, more=self.more) + zones)

    def start(self, timeout=30):
        """Returns when it says that it runs."""
        log = self.path("named.log")
        with open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                ["/usr/sbin/named", "-g", "-4", "-n", "1", "-c", self.conf], cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True)
        processes.wait_until(lambda: self.process.poll() is not None or self.log().endswith("running\n")
                             or "running\n" in self.log(), timeout, what="named runs")
        assert self.process.poll() is None, self.log()

    def log(self):
        with open(self.path("named.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def reload(self):
        """SIGHUP: reads configuration and changed zone files again."""
        self.process.send_signal(signal.SIGHUP)

    def stop(self, timeout=15):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout)


def journal_serial(path):
    """The serial that a journal ends with; None when there is none (lib/dns/journal.c: the header)."""
    try:
        with open(path, "rb") as file:
            header = file.read(64)
    except FileNotFoundError:
        return None
    return struct.unpack_from(">I", header, 24)[0] if len(header) == 64 else None
