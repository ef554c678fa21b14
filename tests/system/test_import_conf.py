"""What is shipped and told about lookupd-import works as it stands: README.md, conf/, the manual."""

import os
import pwd
import re
import shutil
import subprocess

import pytest

from conftest import ROOT, new_folder
from importing import OURS, PROGRAM, zone_text
from private_mariadb import PrivateMariaDB
from sandbox import DATABASE, SCHEMA
from sql import rows, run

pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="lookupd-import is not built (-Dimport)")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def shell(command, **how):
    return subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False, **how)


def cron_command():
    """The line of the crontab, as cron takes it apart: (minutes, user, command)."""
    text = read("conf", "cron.d", "lookupd-import")
    assert text.endswith("\n"), "cron ignores a last line without an end"
    lines = [line for line in text.splitlines() if line and line[0] != "#" and not re.match(r"\w+ *=", line)]
    minute, *rest = lines[0].split(None, 6)
    assert len(lines) == 1 and rest[:4] == ["*"] * 4 and "%" not in rest[5]
    return minute, rest[4], rest[5]


def test_import_conf_as_shipped():
    done = subprocess.run([PROGRAM, "-t", "-c", os.path.join(ROOT, "conf", "import", "import.conf")],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "configuration OK\n")
    # what is commented out is right too, but for a file that nobody has here, and of two ways one
    text = re.sub(r"^#(?=[a-z_]+ = |    [a-z]+ = |\};)", "", read("conf", "import", "import.conf"), flags=re.M)
    assert "option_file" in text and "\n#include = " not in text
    folder = new_folder()
    try:
        path = write(os.path.join(folder, "import.conf"), re.sub(r"\n +option_file = .*|\nnamed_conf = .*", "", text))
        done = subprocess.run([PROGRAM, "-t", "-c", path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, "configuration OK\n")
    finally:
        shutil.rmtree(folder)


def test_named_conf_as_shipped(folder):
    conf = write(os.path.join(folder, "named.conf"),
                 "".join(read("conf", "bind", name) for name in ("named.conf.options", "named.conf.local"))
                 .replace("/var/cache/bind", folder))
    done = shell(f"named-checkconf -px {conf}")
    assert done.returncode == 0 and 'zone "example.com"' in done.stdout, done.stdout


def test_the_units_as_shipped(folder):
    """systemd-analyze finds nothing to say, where there is one; and both ways name one account."""
    units = {}
    for name in ("lookupd-import.service", "lookupd-import.timer"):
        units[name] = write(os.path.join(folder, name),
                            read("conf", "systemd", name).replace("/usr/sbin/lookupd-import", PROGRAM)
                            .replace("User=importer_ns2", "User=mail"))
    if shutil.which("systemd-analyze"):
        done = shell(f"systemd-analyze verify --man=no {' '.join(units.values())}")
        assert not [line for line in done.stdout.splitlines() if "lookupd-import" in line], done.stdout
    user = cron_command()[1]
    assert f"User={user}\n" in read("conf", "systemd", "lookupd-import.service")
    assert f" /run/lookupd-import 0750 {user} {user} " in read("conf", "systemd", "lookupd-import.tmpfiles.conf")
    # what root writes for the importer is in a folder of root's, which the importer can read
    for name in (("import", "import.conf"), ("bind", "named.conf.local")):
        folders = set(re.findall(r"(/var/lib/[\w-]+)/zones", read("conf", *name)))
        assert folders == {"/var/lib/lookupd-import"}, name
    assert "d /var/lib/lookupd-import 0755 root root " in read("conf", "systemd", "lookupd-import.tmpfiles.conf")
    assert "RuntimeDirectory=lookupd-import\n" in read("conf", "systemd", "lookupd-import.service")
    out = subprocess.run([PROGRAM, "-T", "-c", os.path.join(ROOT, "conf", "import", "import.conf")],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True).stdout
    assert '/run/lookupd-import/lock' in out


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become the importer's account")
def test_the_readme_and_cron(folder):
    """The statements of README.md, and then the crontab's line as the account that they made: first
    import, silence, a row that is people's; and the unix_socket account has no other way in."""
    server = PrivateMariaDB(os.path.join(folder, "mariadb"))
    block = re.search(r"^    adduser --system.*importer_ns2\n(?:    .*\n|\n)*", read("README.md"), re.M)[0]
    statements = re.search(r'mariadb lookupd -e "(.*?)"\n', block, re.S)[1]
    account = pwd.getpwnam("nobody").pw_name  # any account of the system's that exists
    zones, conf = os.path.join(folder, "zones"), os.path.join(folder, "import.conf")
    minutes, user, command = cron_command()
    assert (minutes, user) == ("*/5", "importer_ns2") and "importer_ns2" in statements
    try:
        server.start()
        server.load(DATABASE, SCHEMA)
        os.mkdir(zones)
        os.mkdir(os.path.join(folder, "run"))
        os.chown(os.path.join(folder, "run"), pwd.getpwnam(account).pw_uid, -1)
        write(os.path.join(zones, "example.com.db"), zone_text("example.com"))
        write(os.path.join(folder, "named.conf"), f'options {{ directory "{zones}"; }};\nzone "example.com" '
              '{ type secondary; file "example.com.db"; primaries { 192.0.2.53; }; };\n')
        write(conf, read("conf", "import", "import.conf").replace("backup.mx-host.net", OURS[:-1])
              + f'named_conf = "{folder}/named.conf"; lock_file = "{folder}/run/lock";'
              f'database = {{ hosts = ( "unix:{server.socket}" ); }};')
        command = command.replace("/usr/sbin/lookupd-import", os.path.join(folder, "lookupd-import"))
        # cron says nothing of a program that is not there, or not there any more
        assert shell(command, user=account, group="nogroup", extra_groups=()).stdout == ""
        write(os.path.join(folder, "lookupd-import"), f'#!/bin/sh\nexec {PROGRAM} -c {conf} "$@"\n')
        os.chmod(os.path.join(folder, "lookupd-import"), 0o755)
        with server.connect() as root:
            run(root, *statements.replace("importer_ns2", account).split(";"))
            for _ in range(2):
                done = shell(command, user=account, group="nogroup", extra_groups=(), env={"PATH": "/usr/bin:/bin"})
                assert (done.returncode, done.stdout) == (0, "")
                assert rows(root, "SELECT name, route, source FROM domain") == (("example.com", "relay:", "bind:ns2"),)
            # the same as another user of the system's: the server does not believe him
            done = shell(command, user="mail", group="nogroup", extra_groups=())
            assert done.returncode == 75 and "nothing was changed" in done.stdout
    finally:
        server.stop()
