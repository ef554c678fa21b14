#!/usr/bin/python3
"""A sandbox: a private MariaDB with the empty schema, and lookupd on it, in one folder.

The program behind scripts/sandbox, and the class that the tests' fixture `sandbox` gives. In the
folder: env, lookupd.conf, lookupd.log, socketmap, mariadb/. Everything listens on unix sockets and
on 127.0.0.1.
"""

import argparse
import grp
import hashlib
import os
import pwd
import random
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import pymysql  # noqa: E402

import processes  # noqa: E402
from clients import TEMP, Client, SocketmapClient, TcpTableClient  # noqa: E402
from private_mariadb import PrivateMariaDB  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCHEMA = os.path.join(ROOT, "sql", "schema.sql")
DATABASE = "lookupd"
SOCKET_PATH_MAX = 107  # sun_path of unix(7), less the final NUL
MARIADB_PROGRAMS = {"mariadbd", "mysqld"}
LOOKUPD_PROGRAMS = {"lookupd", "lookupd-import", "lookupctl"}


class SandboxError(Exception):
    """What went wrong, in words for the person who typed the command."""


def free_ports(count):
    """Ports on 127.0.0.1 below the range that the kernel gives to outgoing connections, so that
    nobody takes one between this look and lookupd's bind."""
    found = []
    for port in random.sample(range(20000, 32000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise SandboxError("no free port between 20000 and 32000 on 127.0.0.1")


def _quote(text):
    """A libconfig string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _config_tokens(text):
    """(token, position) of a libconfig text, without comments and blanks; strings in one piece."""
    pattern = re.compile(r'\s+|(?:#|//)[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\])*"|[A-Za-z*][\w.*-]*|.)', re.S)
    return [(match[1], match.start()) for match in pattern.finditer(text) if match[1]]


def top_level(text):
    """The top-level settings of a libconfig text: {name: its text after the name}."""
    tokens = _config_tokens(text)
    depth, names = 0, []
    for index, (token, position) in enumerate(tokens[:-1]):
        if token in "{([":
            depth += 1
        elif token in "})]":
            depth -= 1
        elif depth == 0 and token[0].isalpha() and tokens[index + 1][0] in "=:":
            if index == 0 or tokens[index - 1][0] not in ("=", ":"):
                names.append((token, position))
    ends = [position for _, position in names[1:]] + [len(text)]
    return {name: text[at + len(name):end] for (name, at), end in zip(names, ends)}


def _groups(text):
    """The innermost { … } of a libconfig text, each as a dict of its string settings."""
    found, current = [], {}
    tokens = [token for token, _ in _config_tokens(text)]
    for index, token in enumerate(tokens):
        if token == "{":
            current = {}
        elif token == "}":
            found.append(current)
            current = {}
        elif token[0] == '"' and index >= 2 and tokens[index - 1] in ("=", ":"):
            current[tokens[index - 2]] = token[1:-1]
    return found


def _sockets_below(folder):
    """Inodes of the unix sockets that are bound below a folder (their server's ends)."""
    inodes = set()
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.rstrip("\n").split(None, 7)  # Num RefCount … Inode Path
            if len(fields) == 8 and fields[7].startswith(folder + "/"):
                inodes.add(fields[6])
    return inodes


class Sandbox:
    """One sandbox. The folder may exist; what an earlier sandbox left in it is replaced by up()."""

    def __init__(self, directory, build=None):
        """build: the meson build folder; None: of $BUILD, or .build/plain."""
        self.directory = os.path.realpath(directory)
        self.build = os.path.realpath(build or os.environ.get("BUILD")
                                      or os.path.join(ROOT, ".build", "plain"))
        if not os.path.exists(os.path.join(self.build, "build.ninja")) \
                and os.path.exists(os.path.join(os.path.dirname(self.build), "build.ninja")):
            self.build = os.path.dirname(self.build)  # the BUILD of an env file: the programs
        self.programs = os.path.join(self.build, "lookupd")
        self.conf = self.path("lookupd.conf")
        self.log = self.path("lookupd.log")
        # paths of sockets are short; a folder whose own would not fit gets one that does
        self.run = self.directory
        if len(self.path("mariadb/mariadb.sock").encode()) > SOCKET_PATH_MAX:
            self.run = "/tmp/lookupd-" + hashlib.sha256(self.directory.encode()).hexdigest()[:16]
        self.mariadb = PrivateMariaDB(
            self.path("mariadb"),
            socket=None if self.run == self.directory else os.path.join(self.run, "mariadb.sock"))
        self.env = {}
        self.lookupd = None  # the parent process: Popen, or processes.Adopted

    def path(self, name):
        return os.path.join(self.directory, name)

    # -- up ---------------------------------------------------------------------------------------

    def up(self, settings="", timeout=30):
        """Starts both servers anew, with an empty schema, and returns when lookups are answered.
        settings: libconfig text whose top-level settings replace the sandbox's own."""
        if not os.access(os.path.join(self.programs, "lookupd"), os.X_OK):
            raise SandboxError(f"{self.programs}/lookupd is not built: scripts/sandbox builds it")
        self.down()
        self._make_folder()
        self.mariadb.start()
        self.load_schema()
        for attempt in range(3):
            self.write_conf(settings)
            try:
                self.start_lookupd(timeout)
                return
            except SandboxError as error:
                self.stop_lookupd()
                if attempt == 2 or "in use" not in str(error):
                    raise

    def _make_folder(self):
        os.makedirs(self.directory, exist_ok=True)
        mode = stat.S_IMODE(os.stat(self.directory).st_mode)
        if mode & 0o055 != 0o055:  # mktemp -d makes 0700
            os.chmod(self.directory, mode | 0o755)
        if self.run != self.directory:
            os.mkdir(self.run, 0o755)  # never one that somebody else has put there
        if os.getuid() == 0:
            if self.run != self.directory:
                os.chown(self.run, pwd.getpwnam("mysql").pw_uid, -1)
            above = self.directory
            while above != "/":
                above = os.path.dirname(above)
                if not os.stat(above).st_mode & stat.S_IXOTH:
                    raise SandboxError(f"{above}: not every user may enter it (mode "
                                       f"{stat.S_IMODE(os.stat(above).st_mode):04o}), and neither "
                                       "mariadbd nor lookupd run as root: choose another folder")
        if not os.access(self.directory, os.W_OK):
            raise SandboxError(f"{self.directory}: cannot write there")
        shutil.rmtree(self.mariadb.directory, ignore_errors=True)
        with open(self.log, "w", encoding="utf-8"):  # after down(), which has looked at the old one
            pass

    def load_schema(self):
        """Makes the database anew, empty, with lookupd's own account."""
        self.mariadb.load(DATABASE, SCHEMA)
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in ("CREATE USER IF NOT EXISTS lookupd@localhost",
                              "GRANT lookupd_reader TO lookupd@localhost",
                              "SET DEFAULT ROLE lookupd_reader FOR lookupd@localhost"):
                cursor.execute(statement)

    @staticmethod
    def account():
        """Whom lookupd becomes when it is started by root: (user, group)."""
        try:
            user = pwd.getpwnam("lookupd")
            return user.pw_name, grp.getgrgid(user.pw_gid).gr_name
        except KeyError:
            return "nobody", "nogroup"

    def write_conf(self, settings=""):
        """Writes lookupd.conf and what env says of it."""
        ports = free_ports(2)
        own = {}
        if os.getuid() == 0:
            own["user"], own["group"] = map(_quote, self.account())
        own["database"] = ("{ hosts = ( %s ); name = %s; user = \"lookupd\"; }"
                           % (_quote("unix:" + self.mariadb.socket), _quote(DATABASE)))
        own["listeners"] = """(
  { protocol = "socketmap"; address = %s; mode = "0666"; },
  { protocol = "tcp_table"; address = "inet:127.0.0.1:%d"; map = "relay_domains"; },
  { protocol = "tcp_table"; address = "inet:127.0.0.1:%d"; map = "transport"; }
)""" % (_quote("unix:" + os.path.join(self.run, "socketmap")), *ports)
        given = top_level(settings)
        lines = ["# Written by scripts/sandbox; each up writes it anew."]
        lines += [f"{name} = {value};" for name, value in own.items() if name not in given]
        if given:
            lines += ["# From --settings:", settings]
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self.env = {
            "MARIADB_SOCKET": self.mariadb.socket, "DATABASE": DATABASE,
            **self._addresses(given.get("listeners", own["listeners"])),
            **({"STATUS": status} if (status := self._status(given)) else {}),
            "LOOKUPD_CONF": self.conf, "BUILD": self.programs}
        maps = re.match(r"\s*[=:]\s*\{\s*([\w.-]+)", given.get("maps", ""))
        self._ready_map = maps[1] if maps else "relay_domains"

    @staticmethod
    def _addresses(listeners):
        """SOCKETMAP and TCP_…, from the listeners in force."""
        found = {}
        for group in _groups(listeners):
            kind, _, address = group.get("address", "").partition(":")
            if group.get("protocol") == "socketmap" and kind == "unix":
                found.setdefault("SOCKETMAP", address)
            elif group.get("protocol") == "socketmap" and kind == "inet":
                found.setdefault("TCP_SOCKETMAP", address)
            elif group.get("protocol") == "tcp_table" and kind == "inet":
                found.setdefault("TCP_" + group.get("map", "").upper(), address)
        return found

    @staticmethod
    def _status(given):
        groups = _groups(given.get("status", ""))
        return groups[0].get("address", "").partition(":")[2] if groups else ""

    def write_env(self):
        self.env["LOOKUPD_PID"] = str(self.lookupd.pid)
        partial = self.path("env.new")
        with open(partial, "w", encoding="utf-8") as file:
            file.writelines(f"{name}={shlex.quote(value)}\n" for name, value in self.env.items())
        os.replace(partial, self.path("env"))

    def start_lookupd(self, timeout=30, wait=True):
        """Starts lookupd with the lookupd.conf as it is; wait: until lookups are answered."""
        with open(self.log, "ab") as log:
            # its own session: an interrupt typed at a terminal is for the tests, not for the server
            self.lookupd = subprocess.Popen(
                [os.path.join(self.programs, "lookupd"), "-f", "-c", self.conf],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        self.write_env()
        end = time.monotonic() + timeout
        while wait and not self.answers():
            if self.lookupd.poll() is not None:
                raise SandboxError(f"lookupd does not start (exit {self.lookupd.returncode}):\n"
                                   + self.log_text()[-4000:])
            if time.monotonic() > end:
                raise SandboxError(f"lookupd does not answer after {timeout} s:\n"
                                   + self.log_text()[-4000:])
            time.sleep(0.03)

    def answers(self):
        """True when every worker has the database, by its title, and every listener answers."""
        size = re.match(r"lookupd: parent: (\d+) workers", processes.title(self.lookupd.pid))
        live = [pid for pid in self.workers() if ": live" in processes.title(pid)]
        if not size or len(live) != int(size[1]):
            return False
        tables = [value for name, value in self.env.items()
                  if name.startswith("TCP_") and name != "TCP_SOCKETMAP"]
        maps = [self.env[name] for name in ("SOCKETMAP", "TCP_SOCKETMAP") if name in self.env]
        try:
            for address in maps:
                with SocketmapClient(address, 5) as client:
                    if client.query(self._ready_map, "sandbox.invalid")[0] == TEMP:
                        return False
            for address in tables:
                with TcpTableClient(address, 5) as client:
                    if client.query("sandbox.invalid")[0] == TEMP:
                        return False
            return True
        except (OSError, EOFError):
            return False

    # -- what tests do with it --------------------------------------------------------------------

    def connect(self, user="root", password=None, database=DATABASE, **options):
        """A PyMySQL connection; root needs no password."""
        return self.mariadb.connect(user, password, database, **options)

    def sql(self, *statements):
        """Runs statements as root, each committed; returns the rows of the last."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def empty(self):
        """Deletes every row that people can write: for tests that share a sandbox."""
        self.sql("UPDATE domain SET source = NULL WHERE source IS NOT NULL",
                 *(f"DELETE FROM `{table}`" for table in
                   ("access", "alias", "recipient", "domain", "relay")))

    def socketmap(self, timeout=10.0):
        return SocketmapClient(self.env["SOCKETMAP"], timeout)

    def tcp_table(self, name, timeout=10.0):
        """A connection to the tcp_table listener of a map."""
        return TcpTableClient(self.env["TCP_" + name.upper()], timeout)

    def raw(self, name="SOCKETMAP", timeout=10.0):
        """A connection that knows no protocol; name is one of env's."""
        return Client(self.env[name], timeout)

    def query(self, name, key):
        """One question over a connection of its own."""
        with self.socketmap() as client:
            return client.query(name, key)

    def workers(self):
        """Process ids of the workers, by their titles."""
        return [pid for pid in processes.children(self.lookupd.pid)
                if processes.title(pid).startswith("lookupd: worker")]

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop_lookupd(self, timeout=10):
        """SIGTERM, and an AssertionError when that is not enough, or ends in anything but success."""
        if self.lookupd is None or self.lookupd.poll() is not None:
            return
        self.lookupd.terminate()
        try:
            code = self.lookupd.wait(timeout)
        except (subprocess.TimeoutExpired, AssertionError):
            processes.end(self.processes(LOOKUPD_PROGRAMS), 0)
            raise AssertionError(f"lookupd did not stop within {timeout} s") from None
        assert code == 0, f"lookupd ended with {code}:\n{self.log_text()[-4000:]}"

    def _keep_reports(self):
        """Copies what sanitizers have said into the log to where scripts/test looks for it."""
        reports = os.environ.get("SANITIZER_REPORTS")
        if reports and os.path.exists(self.log) and re.search(
                r"runtime error:|(Address|Leak|UndefinedBehavior)Sanitizer", self.log_text()):
            with tempfile.NamedTemporaryFile("w", prefix=os.path.basename(reports) + ".log.",
                                             dir=os.path.dirname(reports), delete=False) as file:
                file.write(self.log_text())

    # -- down -------------------------------------------------------------------------------------

    def processes(self, programs=None):
        """Process ids of the servers of this sandbox, however they were started: those that have a
        file of the folder open, hold a socket bound in it, or name it in their arguments, and are
        one of our programs; and the children of a lookupd. Never a shell or an editor."""
        programs = programs or MARIADB_PROGRAMS | LOOKUPD_PROGRAMS
        folders = {self.directory, self.run}
        inodes = {f"socket:[{inode}]" for folder in folders for inode in _sockets_below(folder)}
        found, servers = [], []
        for pid in processes.all_pids():
            if pid == os.getpid() or not processes.is_alive(pid):
                continue
            try:
                program = os.path.basename(os.readlink(f"/proc/{pid}/exe")).split(" ")[0]
                arguments = open(f"/proc/{pid}/cmdline", "rb").read().decode(errors="replace")
                opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            except OSError:
                continue  # gone, or another user's
            if re.search(r"(^|/|\0)(mariadbd|mysqld)[-_]safe\0", arguments):
                program = "mariadbd"  # a shell script that starts a killed server again
            if program not in programs:
                continue
            named = any(re.search(r"(^|[=\0])" + re.escape(folder) + r"(/|\0|$)", arguments)
                        for folder in folders)
            if named or any(link in inodes or link.startswith(tuple(f + "/" for f in folders))
                            for link in opened):
                found.append(pid)
                if program == "lookupd":
                    servers.append(pid)
        for pid in servers:
            found += [child for child in processes.children(pid) if child not in found]
        return found

    def down(self):
        """Stops what runs there, however it was started, and removes the database. Configuration
        and logs stay."""
        processes.end(self.processes(LOOKUPD_PROGRAMS), 10)
        for _ in range(5):  # mariadbd-safe may start another between the look and the end
            left = self.processes()
            if not left:
                break
            processes.end(left, 20)
        else:
            raise SandboxError(f"{self.directory}: processes are left: {left}")
        if self.lookupd is not None:
            self.lookupd.wait(5)
        self._keep_reports()
        self.lookupd = self.mariadb.process = None
        shutil.rmtree(self.mariadb.directory, ignore_errors=True)
        for name in ("socketmap", "mariadb.sock", "mariadb.sock.lock"):
            try:
                os.unlink(os.path.join(self.run, name))
            except FileNotFoundError:
                pass
        if self.run != self.directory and os.path.isdir(self.run):
            os.rmdir(self.run)


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/sandbox",
        description="A private MariaDB with the empty schema, and lookupd on it. `up` leaves DIR/env, "
                    "a shell file that says where everything is. BUILD in the environment chooses "
                    "another build folder than .build/plain.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="up|down")
    up = commands.add_parser("up", help="start; an earlier sandbox in DIR is replaced")
    up.add_argument("directory", metavar="DIR")
    up.add_argument("--settings", metavar="FILE",
                    help="libconfig text: its top-level settings replace the sandbox's own")
    down = commands.add_parser("down", help="stop everything that runs in DIR")
    down.add_argument("directory", metavar="DIR")
    # for scripts/demo, which starts more than a sandbox
    ports = commands.add_parser("ports")
    ports.add_argument("count", type=int)
    commands.add_parser("account")
    arguments = parser.parse_args()
    try:
        if arguments.command == "ports":
            print(*free_ports(arguments.count))
            return 0
        if arguments.command == "account":
            print(Sandbox.account()[0])
            return 0
        if arguments.command == "down":
            if os.path.isdir(arguments.directory):
                Sandbox(arguments.directory).down()
            return 0
        settings = ""
        if arguments.settings:
            with open(arguments.settings, encoding="utf-8") as file:
                settings = file.read()
        sandbox = Sandbox(arguments.directory)
        try:
            sandbox.up(settings)
        except BaseException:
            sandbox.down()
            raise
        print(f"{sandbox.path('env')} says where everything is")
        return 0
    except (SandboxError, RuntimeError, OSError, pymysql.MySQLError,
            subprocess.SubprocessError) as error:
        print(f"scripts/sandbox: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
