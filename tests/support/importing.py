"""What tests of lookupd-import need: a folder with zone files and the list of them, and the program."""

import os
import subprocess

from sandbox import Sandbox

SOA = "{name}. 3600 IN SOA ns.{name}. hostmaster.{name}. {serial} 3600 900 {expire} 3600\n"
OURS = "mx2.example.net."
PROGRAM = os.path.join(Sandbox("/nonexistent").programs, "lookupd-import")


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
