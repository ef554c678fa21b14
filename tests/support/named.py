#!/usr/bin/python3
"""A private named in a folder, and a pair of them: real zones, really transferred.

As a program: named.py up DIR | down DIR. `up` starts a primary for the zones in DIR/zones (a file for
each, of its name), and a secondary that has transferred all of them; DIR/env says where they are.
Nothing of it touches the system's named: it listens on one address and port of the loopback, asks
nobody, and is stopped by its process id.
"""

import argparse
import os
import shlex
import signal
import socket
import socketserver
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import processes  # noqa: E402
from port53 import Port53  # noqa: E402
from sandbox import free_ports  # noqa: E402

OPTIONS = """\
key "rndc-key" {{ algorithm hmac-sha256; secret "bm90aGluZyB0aGF0IGlzIHNlY3JldCBhdCBhbGw="; }};
controls {{ inet 127.0.0.1 port {control} allow {{ 127.0.0.1; }} keys {{ "rndc-key"; }}; }};
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
"""


class PrivateNamed:
    def __init__(self, directory, port, more=""):
        """more: further options."""
        self.directory = os.path.realpath(directory)
        self.port, self.control = port, free_ports(1)[0]
        self.more = more
        self.conf = self.path("named.conf")
        self.process = None
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_conf(self, zones):
        """zones: the zone statements."""
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(OPTIONS.format(dir=self.directory, port=self.port, more=self.more,
                                      control=self.control) + zones)
        with open(self.path("rndc.conf"), "w", encoding="utf-8") as file:
            file.write(OPTIONS.splitlines()[0].format() + "\n"
                       f'options {{ default-server 127.0.0.1; default-port {self.control}; '
                       'default-key "rndc-key"; };\n')

    def start(self, timeout=30):
        """Returns when it says that it runs."""
        log = self.path("named.log")
        with open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                ["/usr/sbin/named", "-g", "-4", "-n", "1", "-c", self.conf], cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True)
        processes.wait_until(lambda: self.process.poll() is not None or "running\n" in self.log(),
                             timeout, what="named runs")
        assert self.process.poll() is None, self.log()

    def log(self):
        with open(self.path("named.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def reload(self):
        """SIGHUP: reads configuration and changed zone files again."""
        self.process.send_signal(signal.SIGHUP)

    def rndc(self, *command):
        """What rndc prints."""
        done = subprocess.run(["/usr/sbin/rndc", "-c", self.path("rndc.conf"), *command],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=30, check=False)
        assert done.returncode == 0, (command, done.stdout)
        return done.stdout

    def stop(self, timeout=15):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout)


class Pair:
    """A customer's primary, and the secondary on this host. Zones are files in primary/, by name."""

    def __init__(self, directory):
        ports = free_ports(2)
        self.primary = PrivateNamed(
            os.path.join(directory, "primary"), ports[0],
            "ixfr-from-differences yes; allow-transfer { any; }; notify explicit; notify-delay 0;"
            f" also-notify port {ports[1]} {{ 127.0.0.1; }}; max-records-per-type 0;")
        self.secondary = PrivateNamed(os.path.join(directory, "secondary"), ports[1],
                                      "notify no; min-refresh-time 1; max-records-per-type 0; ")
        self.zones = {}

    def primaries(self):
        return f"primaries port {self.primary.port} {{ 127.0.0.1; }};"

    def write(self, name, text, how="raw"):
        """A zone's file at the primary, and the format of its file at the secondary; None: the
        secondary does not have it in its configuration."""
        self.zones[name] = how
        with open(self.primary.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def write_conf(self, more=""):
        """more: further statements for the secondary."""
        self.primary.write_conf("".join(
            f'zone "{name}" {{ type primary; check-names ignore; file "{name}"; }};\n'
            for name in self.zones))
        self.secondary.write_conf("".join(
            f'zone "{name}" {{ type secondary; file "{name}.db"; masterfile-format {how};'
            f" {self.primaries()} }};\n" for name, how in self.zones.items() if how) + more)

    def start(self):
        """Returns when the secondary has every zone in its file."""
        self.primary.start()
        self.secondary.start()
        for name, how in self.zones.items():
            if how:
                self.wait_file(name + ".db")

    def wait_file(self, name):
        try:
            processes.wait_until(lambda: os.path.exists(self.secondary.path(name)), 30,
                                 what=f"the secondary has {name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.primary.log()[-2000:]}\n{self.secondary.log()[-2000:]}") from None

    def stop(self):
        self.secondary.stop()
        self.primary.stop()


class _Question(socketserver.BaseRequestHandler):
    def handle(self):
        data, answer_to = self.request
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
            there.settimeout(5)
            there.sendto(data, ("127.0.0.1", self.server.owner.port))
            answer_to.sendto(there.recv(65535), self.client_address)


class NamedAt53(Port53):
    """A named of another port: it listens on the addresses of interfaces only. Needs root."""

    def __init__(self, port):
        self.port = port
        super().__init__(_Question)


def journal_serial(path):
    """The serial that a journal ends with; None when there is none (lib/dns/journal.c: the header)."""
    try:
        with open(path, "rb") as file:
            header = file.read(64)
    except FileNotFoundError:
        return None
    return struct.unpack_from(">I", header, 24)[0] if len(header) == 64 else None


def up(directory):
    pair = Pair(directory)
    folder = os.path.join(directory, "zones")
    for index, name in enumerate(sorted(os.listdir(folder))):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            pair.write(name, file.read(), ("raw", "text")[index % 2])
    pair.write_conf()
    with open(os.path.join(directory, "pids"), "w", encoding="ascii") as pids:
        try:
            pair.start()
        finally:
            for server in (pair.primary, pair.secondary):
                if server.process is not None:
                    pids.write(f"{server.process.pid}\n")
    with open(os.path.join(directory, "env"), "w", encoding="utf-8") as file:
        for name, server in (("PRIMARY", pair.primary), ("SECONDARY", pair.secondary)):
            file.write(f"{name}={shlex.quote(server.directory)}\n")


def down(directory):
    try:
        with open(os.path.join(directory, "pids"), encoding="ascii") as file:
            pids = [int(line) for line in file]
    except FileNotFoundError:
        return
    processes.end([pid for pid in pids if os.path.realpath(directory) in processes.title(pid)], 15)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("directory")
    arguments = parser.parse_args()
    (up if arguments.command == "up" else down)(arguments.directory)


if __name__ == "__main__":
    main()
