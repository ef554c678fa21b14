#!/usr/bin/python3
"""A private Postfix in a folder, set up with conf/postfix as an administrator would. Needs root.

As a program: postfix.py up DIR PORT | down DIR. Nothing of it touches /etc/postfix or leaves the
machine: it listens on 127.0.0.1, asks no DNS, and has no route but those of lookupd.
"""

import argparse
import os
import pwd
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import processes  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONF = os.path.join(ROOT, "conf", "postfix")

# What a fresh main.cf of Debian holds, so far as it matters here, and what keeps this one private.
# No setting of conf/postfix/main.cf is repeated here.
BASE = """\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {dir}/log/mail.log
maillog_file_prefixes = {dir}
myhostname = mx2.test
mydomain = test
myorigin = mx2.test
mydestination =
local_recipient_maps =
local_transport = error:5.1.1 no local delivery
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.9/32
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
default_transport = retry:4.3.5 private instance: no route but those of lookupd
notify_classes =
smtpd_error_sleep_time = 0
"""


class PrivatePostfix:
    """One instance. spool/lookupd/socketmap is where lookupd must listen."""

    def __init__(self, directory, port, chroot=True):
        self.directory = os.path.realpath(directory)
        self.port = port
        self.chroot = chroot
        self.etc = os.path.join(self.directory, "etc")
        self.spool = os.path.join(self.directory, "spool")
        self.socketmap = os.path.join(self.spool, "lookupd", "socketmap")

    def _run(self, *command, check=True):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}\n{self.log_text()[-2000:]}")
        return done.stdout

    def listener(self, owner):
        """The setting of a lookupd listener for this Postfix, as its manual recommends it."""
        return (f'{{ protocol = "socketmap"; address = "unix:{self.socketmap}"; owner = "{owner}"; '
                'group = "postfix"; mode = "0660"; }')

    def make(self, owner):
        """Writes the configuration. owner: the account that lookupd runs as."""
        postfix = pwd.getpwnam("postfix")
        for name in ("", "etc", "log", "data", "spool", "spool/lookupd", "spool/etc"):
            os.makedirs(os.path.join(self.directory, name), mode=0o755, exist_ok=True)
        os.chown(os.path.join(self.directory, "data"), postfix.pw_uid, postfix.pw_gid)
        # as the manual says: install -d -o lookupd -g postfix -m 2750 /var/spool/postfix/lookupd
        os.chown(os.path.dirname(self.socketmap), pwd.getpwnam(owner).pw_uid, postfix.pw_gid)
        os.chmod(os.path.dirname(self.socketmap), 0o2750)
        with open(os.path.join(self.etc, "main.cf"), "w", encoding="utf-8") as file:
            file.write(BASE.format(dir=self.directory))
        shutil.copy("/usr/share/postfix/master.cf.dist", os.path.join(self.etc, "master.cf"))
        self.install()
        # the one line of it that cannot stay: port 25 on every address
        smtpd = self.postconf("-M", "smtp/inet").split(None, 1)[1].replace("\n", " ")
        self.postconf("-MX", "smtp/inet")
        self.postconf("-M", "-e", f"127.0.0.1:{self.port}/inet=127.0.0.1:{self.port} {smtpd}")
        if not self.chroot:
            self.postconf("-F", "*/*/chroot=n")

    def install(self):
        """What conf/postfix/README.md tells an administrator to do."""
        shutil.copy(os.path.join(CONF, "lookupd-dsn.regexp"), self.etc)
        with open(os.path.join(CONF, "main.cf"), encoding="utf-8") as file:
            settings = [line for line in file.read().splitlines() if line and line[0] != "#"]
        self.postconf("-e", *settings)
        with open(os.path.join(CONF, "master.cf"), encoding="utf-8") as file, \
                open(os.path.join(self.etc, "master.cf"), "a", encoding="utf-8") as target:
            target.write(file.read())
        self.postconf("-P", "smtp/inet/max_use=10", "smtp/inet/max_idle=10s")

    def postconf(self, *arguments):
        """postconf of this instance; a warning of its is an error here."""
        output = self._run("postconf", "-c", self.etc, *arguments)
        if "warning:" in output:
            raise RuntimeError(output)
        return output

    def start(self):
        self._run("postfix", "-c", self.etc, "start")
        processes.wait_until(self._listens, 15, what=f"Postfix listens on {self.port}")

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        """Bounded; master is killed when it does not end."""
        try:
            with open(os.path.join(self.spool, "pid", "master.pid"), encoding="ascii") as file:
                master = int(file.read())
        except (FileNotFoundError, ValueError):
            return
        below = processes.children(master)
        self._run("postfix", "-c", self.etc, "stop", check=False)
        processes.end([master], 5)
        processes.end(below, 5)

    def reload(self):
        """Takes changes of main.cf into use; returns when qmgr runs anew."""
        since = len(self.log_text())
        self._run("postfix", "-c", self.etc, "reload")
        self.wait_log("reload -- version", since=since)

    def flush(self):
        """What a person does when the primary is back."""
        self._run("postqueue", "-c", self.etc, "-f")

    def queue(self):
        """The queue, as postqueue -p prints it."""
        return self._run("postqueue", "-c", self.etc, "-p")

    def log_text(self):
        try:
            with open(os.path.join(self.directory, "log", "mail.log"), encoding="utf-8",
                      errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_log(self, *texts, since=0, timeout=20):
        """Waits until the log, from octet since on, has a line with all these texts: the line."""
        def found():
            return next((line for line in self.log_text()[since:].splitlines()
                         if all(text in line for text in texts)), None)
        return processes.wait_until(found, timeout, 0.05, f"mail.log: {texts}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("up", "down"))
    parser.add_argument("directory")
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--owner", default="nobody", help="the account that lookupd runs as")
    arguments = parser.parse_args()
    instance = PrivatePostfix(arguments.directory, arguments.port)
    if arguments.command == "down":
        instance.stop()
    else:
        instance.make(arguments.owner)
        instance.start()


if __name__ == "__main__":
    main()
