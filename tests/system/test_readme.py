"""What README.md and conf/postfix/README.md tell people to type does what they say."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from conftest import ROOT


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def indented(text, first):
    """The indented block that begins with a line: what a reader copies."""
    block = re.search(rf"^    {re.escape(first)}.*\n(?:    .*\n|\n)*", text, re.M)
    return re.sub("^    ", "", block[0], flags=re.M)


def test_the_ten_statements(database):
    sql = re.search(r"```sql\n(.*?)```", read("README.md"), re.S)[1]
    *statements, last = re.sub("^--.*\n", "", sql, flags=re.M).strip().split(";\n")
    assert last.startswith("CALL restore_row('relay', 'hq', NOW(6) - INTERVAL 1 MINUTE)")
    with database.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            if statement.startswith("UPDATE relay"):  # the minute of the last statement is over here
                cursor.execute("SELECT SYSDATE(6)")
                a_minute_ago = cursor.fetchone()[0]
            cursor.execute(statement)
            if "effective_route" in statement:
                assert len(cursor.fetchall()) == 3
            if "row_history" in statement:
                assert cursor.fetchall()
        cursor.execute("SELECT enabled FROM relay WHERE name = 'hq'")
        assert cursor.fetchone() == (0,)
        cursor.execute(last.rstrip(";").replace("NOW(6) - INTERVAL 1 MINUTE", f"'{a_minute_ago}'"))
        cursor.execute("SELECT enabled FROM relay WHERE name = 'hq'")
        assert cursor.fetchone() == (1,)


def test_packages_of_the_build():
    """Those that scripts/lib.sh installs, without what only the tests need."""
    named = re.search(r"apt-get install --no-install-recommends ((?:.*\\\n)*.*)\n", read("README.md"))[1]
    listed = re.search(r"^packages_build=\((.*?)^\)", read("scripts", "lib.sh"), re.M | re.S)[1]
    assert set(named.replace("\\", " ").split()) == \
        set(re.sub("#.*", "", listed).split()) - {"libcriterion-dev"}


def test_main_cf_in_three_lines():
    shipped = re.sub(r" *= *", " = ", read("conf", "postfix", "main.cf"))
    lines = indented(read("README.md"), "relay_domains").strip().splitlines()
    assert len(lines) == 3
    for line in lines:
        assert re.sub(r" *= *", " = ", line) + "\n" in shipped


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a folder away")
def test_setting_postfix_up(folder):
    """The commands of conf/postfix/README.md, word for word but for the folders; twice does no harm."""
    commands = indented(read("conf", "postfix", "README.md"), "# where lookupd's socket is")
    etc, spool = os.path.join(folder, "etc"), os.path.join(folder, "spool")
    os.mkdir(etc)
    shutil.copy("/usr/share/postfix/master.cf.dist", os.path.join(etc, "master.cf"))
    with open(os.path.join(etc, "main.cf"), "w", encoding="utf-8") as file:
        file.write(f"compatibility_level = 3.6\nqueue_directory = {spool}\n")
    for old, new in (("/etc/postfix", etc), ("/var/spool/postfix", spool), ("-o lookupd", "-o nobody"),
                     ("postconf ", f"postconf -c {etc} ")):
        assert old in commands
        commands = commands.replace(old, new)
    commands = commands.partition("postfix check")[0]
    for _ in range(2):
        done = subprocess.run(["bash", "-euc", commands], cwd=os.path.join(ROOT, "conf", "postfix"),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                              check=False)
        assert (done.returncode, done.stdout) == (0, "")

    def postconf(*arguments):
        return subprocess.run(["postconf", "-c", etc, *arguments], stdout=subprocess.PIPE, text=True,
                              timeout=20, check=True).stdout

    for line in read("conf", "postfix", "main.cf").splitlines():
        if line and line[0] != "#":
            name, _, value = (part.strip() for part in line.partition("="))
            assert postconf("-h", name).strip() == value, name
    assert "max_idle=10s" in postconf("-M", "smtp/inet")
    assert "fail:relay_is_disabled" in postconf("-M", "hold/unix")
    assert read("conf", "postfix", "lookupd-dsn.regexp") == \
        read(os.path.join(etc, "lookupd-dsn.regexp"))
    with open(os.path.join(etc, "master.cf"), encoding="utf-8") as file:
        assert len(re.findall("^hold ", file.read(), re.M)) == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root may run as another user")
def test_systemd_may_send_the_signal_of_a_reload():
    """ExecReload= is run as root, with no more capabilities than the unit leaves; "+" gives it all."""
    unit = dict(re.findall("^([A-Za-z]+)=(.*)$", read("conf", "systemd", "lookupd.service"), re.M))
    left = unit["CapabilityBoundingSet"].lower().replace("cap_", "+").split()
    command = unit["ExecReload"]
    with subprocess.Popen(["sleep", "60"], user="nobody") as process:
        try:
            limited = [] if command.startswith("+") else ["setpriv", "--bounding-set", ",".join(["-all", *left])]
            subprocess.run([*limited, *command.lstrip("+").replace("$MAINPID", str(process.pid)).split()],
                           check=True, timeout=10)
            assert process.wait(10) == -signal.SIGHUP
        finally:
            process.kill()
