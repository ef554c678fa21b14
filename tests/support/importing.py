"""What tests of lookupd-import need: a folder with zone files and the list of them, and the program."""

import os
import subprocess

from processes import wait_until
from sandbox import Sandbox
from sql import OPERATOR, one, rows, run

SOA = "{name}. 3600 IN SOA ns.{name}. hostmaster.{name}. {serial} 3600 900 {expire} 3600\n"
OURS = "mx2.example.net."
PROGRAM = os.path.join(Sandbox("/nonexistent").programs, "lookupd-import")


# what the example accounts of sql/ do not have: a second importer
ACCOUNTS = tuple(statement.format(account) for account in ("importer_ns1@localhost", "importer_ns2@localhost")
                 for statement in ("CREATE USER IF NOT EXISTS {}", "GRANT lookupd_importer TO {}",
                                   "SET DEFAULT ROLE lookupd_importer FOR {}"))


def prepare(connection):
    """Two sources, their accounts and a relay."""
    run(connection, *ACCOUNTS, "INSERT IGNORE INTO source (name, account) VALUES"
                               " ('bind:ns1', 'importer_ns1'), ('bind:ns2', 'importer_ns2')",
        "INSERT IGNORE INTO relay (name, nexthop) VALUES ('hq', '[mail.example.net]:25')")


def names(connection):
    return [name for (name,) in rows(connection, "SELECT name FROM domain ORDER BY name")]


def everything(connection):
    """All that a run may change, but for its own row."""
    return [rows(connection, f"SELECT * FROM {table} ORDER BY 1, 2")
            for table in ("domain", "recipient", "import_claim", "relay", "history")]


def last_run(connection):
    return one(connection, "SELECT outcome, zones, unreadable, inserted, updated, deleted FROM import_run"
                           " ORDER BY id DESC LIMIT 1")


def many(count):
    return [f"d{number:03}.example" for number in range(count)]


def let_hold_pass(root):
    run(root, "UPDATE import_claim SET gone_since = gone_since - INTERVAL 2 DAY, kept_at = kept_at - INTERVAL 2 DAY"
              " WHERE gone_since IS NOT NULL")


def held(mariadb, *statements):
    """A session of a person's that holds the locks of what it did."""
    connection = mariadb.connect(OPERATOR)
    run(connection, "START TRANSACTION", *statements)
    return connection


def wait_for_lock(root):
    """Until a transaction waits for a lock. InnoDB looks for it at most ten times a second: whoever
    asks more often gets what he got before."""
    wait_until(lambda: rows(root, "SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"),
               interval=0.2, what="the run waits")


def finish(process):
    """(exit code, all that it said) of a run that was started."""
    out, err = process.communicate(timeout=40)
    return process.returncode, out + err


def zone_text(name, *records, serial=1, expire=864000, mx=True):
    """A zone in text, complete style. mx: mail.NAME is the better MX, this host the other one."""
    lines = [SOA.format(name=name, serial=serial, expire=expire), f"{name}. 3600 IN NS ns.{name}.\n"]
    if mx:
        lines += [f"{name}. 3600 IN MX 10 mail.{name}.\n", f"{name}. 3600 IN MX 20 {OURS}\n",
                  f"mail.{name}. 3600 IN A 203.0.113.25\n"]
    return "".join(lines + [record + "\n" for record in records])


class Site:
    """One name server's files, as named has them, and an importer for it."""

    def __init__(self, directory, mariadb, source="bind:ns2", account="importer_ns2"):
        self.directory = os.path.join(directory, source.replace(":", "-"))
        self.zones_directory = self.path("zones")
        self.mariadb, self.source, self.account = mariadb, source, account
        self.program = PROGRAM
        self.listed = []
        self.conf = self.path("import.conf")
        os.makedirs(self.zones_directory)
        self.write_conf()
        self.write_list()

    def path(self, name):
        return os.path.join(self.directory, name)

    def zone_file(self, name):
        return os.path.join(self.zones_directory, name + ".db")

    def write_conf(self, more="", **given):
        """Settings as libconfig text; database settings in given: timeout=4."""
        own = {"source": f'"{self.source}"', "my_names": f'( "{OURS}" )', "zones": '"file"',
               "zones_file": f'"{self.path("list")}"', "lock_file": f'"{self.path("lock")}"'}
        for name in list(own):
            if f"{name} =" in more:
                del own[name]
        if "named_conf =" in more:
            own.pop("zones", None)
            own.pop("zones_file", None)
        database = {"hosts": f'( "unix:{self.mariadb.socket}" )', "user": f'"{self.account}"', **given}
        with open(self.conf, "w", encoding="utf-8") as file:
            for name, value in own.items():
                file.write(f"{name} = {value};\n")
            file.write("database = { %s };\n" % " ".join(f"{n} = {v};" for n, v in database.items()))
            file.write(more)

    def write_list(self, text=None):
        """What named-checkconf -px prints for the zones listed, or a text."""
        if text is None:
            text = f'options {{\n\tdirectory "{self.zones_directory}";\n}};\n'
            for name in self.listed:
                text += (f'zone "{name}" {{\n\ttype secondary;\n\tfile "{name}.db";\n'
                         "\tprimaries  {\n\t\t192.0.2.53;\n\t};\n};\n")
        with open(self.path("list"), "w", encoding="utf-8") as file:
            file.write(text)

    def write_zone(self, name, *records, **how):
        with open(self.zone_file(name), "w", encoding="utf-8") as file:
            file.write(zone_text(name, *records, **how))

    def add(self, *names, **how):
        for name in names:
            self.write_zone(name, **how)
            self.listed.append(name)
        self.write_list()

    def drop(self, *names):
        """The zones leave the configuration."""
        self.listed = [name for name in self.listed if name not in names]
        self.write_list()

    def start(self, *arguments):
        return subprocess.Popen([self.program, "-c", self.conf, *arguments],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run(self, *arguments, code=0):
        """Runs it; returns (stdout, stderr)."""
        done = subprocess.run([self.program, "-c", self.conf, *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                              check=False)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done.stdout, done.stderr
