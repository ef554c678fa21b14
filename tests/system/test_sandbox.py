"""scripts/sandbox, as a person calls it."""

import os
import shlex
import shutil
import signal
import subprocess

import pytest

from clients import NOTFOUND, OK, SocketmapClient, TcpTableClient
from conftest import ROOT, new_folder
from private_mariadb import PrivateMariaDB
from processes import end, is_alive, wait_until
from sandbox import Sandbox, top_level


def command(*arguments, check=True):
    """Runs scripts/sandbox from a folder that is not the repository's root."""
    done = subprocess.run([os.path.join(ROOT, "scripts", "sandbox"), *arguments], cwd="/",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120, check=False)
    assert not check or done.returncode == 0, done.stdout
    return done


def read_env(folder):
    with open(os.path.join(folder, "env"), encoding="utf-8") as file:
        return dict(shlex.split(line)[0].split("=", 1) for line in file)


@pytest.fixture
def up(folder):
    """up(…) runs `scripts/sandbox up` in a folder that only its owner may enter, as mktemp -d makes
    them, and returns what env says."""
    path = os.path.join(folder, "sandbox")
    os.mkdir(path, 0o700)

    def start(*options):
        command("up", start.folder, *options)
        return read_env(start.folder)

    start.folder = path
    yield start
    command("down", start.folder)
    assert Sandbox(start.folder).processes() == []


def answers(env):
    with SocketmapClient(env["SOCKETMAP"]) as client:
        return client.query("relay_domains", "example.com")[0]


def test_up_and_down(up):
    env = up()
    assert os.stat(env["SOCKETMAP"]).st_mode & 0o777 == 0o666
    assert os.access(os.path.join(env["BUILD"], "lookupd"), os.X_OK)
    assert is_alive(int(env["LOOKUPD_PID"]))
    assert answers(env) == NOTFOUND
    for name in ("TCP_RELAY_DOMAINS", "TCP_TRANSPORT"):
        with TcpTableClient(env[name]) as client:
            assert client.query("example.com")[0] == NOTFOUND
    client = ["mariadb", "--no-defaults", "-uroot", "-S", env["MARIADB_SOCKET"], env["DATABASE"]]
    subprocess.run([*client, "-e", "INSERT INTO domain (name) VALUES ('example.com')"], check=True,
                   timeout=20)
    assert answers(env) == OK
    command("down", up.folder)
    assert Sandbox(up.folder).processes() == []
    assert not os.path.exists(env["SOCKETMAP"])
    command("down", up.folder)  # once more does no harm
    assert answers(up()) == NOTFOUND  # and the next one begins with empty tables


def test_two_at_once_and_settings(up, folder):
    first = up()
    text = os.path.join(folder, "settings")
    with open(text, "w", encoding="utf-8") as file:
        file.write('# one worker; listeners = ( );\nworkers = 1; deadline = 1.5;\n')
    second = os.path.join(folder, "second")
    try:
        command("up", second, "--settings", text)
        env = read_env(second)
        assert answers(env) == answers(first) == NOTFOUND
        assert first["TCP_RELAY_DOMAINS"] != env["TCP_RELAY_DOMAINS"]
        shown = subprocess.run([os.path.join(env["BUILD"], "lookupd"), "-T", "-c",
                                env["LOOKUPD_CONF"]], stdout=subprocess.PIPE, text=True, check=True,
                               timeout=20).stdout
        assert top_level(shown)["workers"].strip(" =;\n").startswith("1")
        assert top_level(shown)["deadline"].strip(" =;\n").startswith("1.5")
    finally:
        command("down", second)
    assert answers(first) == NOTFOUND  # the other one is not touched


def test_down_finds_servers_that_were_restarted_by_hand(up):
    env = up()
    os.kill(int(env["LOOKUPD_PID"]), signal.SIGKILL)
    mariadb = PrivateMariaDB(os.path.join(up.folder, "mariadb"))
    assert mariadb.adopt()
    mariadb.kill()
    mariadb.start()  # with another process id than env and pid files knew
    wait_until(lambda: not Sandbox(up.folder).processes({"lookupd"}), what="the workers ended")
    again = subprocess.Popen([os.path.join(env["BUILD"], "lookupd"), "-f", "-c", "lookupd.conf"],
                             cwd=up.folder, start_new_session=True)
    bystander = subprocess.Popen(["tail", "-f", os.path.join(up.folder, "lookupd.log")],
                                 cwd=up.folder, stdout=subprocess.DEVNULL)
    def second_answers():
        try:
            return answers(env) == NOTFOUND
        except OSError:
            return False

    try:
        wait_until(second_answers, what="the second lookupd answers")
        command("down", up.folder)
        wait_until(lambda: again.poll() is not None and mariadb.pid is None, 5, what="both ended")
        assert bystander.poll() is None, "a person's tail -f was killed"
    finally:
        end([bystander.pid], 5)
        bystander.wait(5)


def test_down_ends_a_server_that_stands_still(up):
    env = up()
    mariadb = PrivateMariaDB(os.path.join(up.folder, "mariadb"))
    assert mariadb.adopt()
    mariadb.freeze()
    os.kill(int(env["LOOKUPD_PID"]), signal.SIGSTOP)
    command("down", up.folder)
    assert mariadb.pid is None and not is_alive(int(env["LOOKUPD_PID"]))


def test_a_folder_with_a_long_path(up, folder):
    up.folder = os.path.join(folder, "long" * 30)
    env = up()
    assert len(env["SOCKETMAP"]) < 108 < len(up.folder)
    assert answers(env) == NOTFOUND
    command("down", up.folder)
    assert not os.path.exists(os.path.dirname(env["SOCKETMAP"]))


@pytest.mark.skipif(os.getuid() != 0, reason="only root starts the servers as other users")
def test_a_folder_that_others_may_not_enter():
    parent = new_folder()
    os.chmod(parent, 0o700)
    try:
        done = command("up", os.path.join(parent, "sandbox"), check=False)
        assert done.returncode == 1
        assert parent in done.stdout and "not every user may enter" in done.stdout
    finally:
        command("down", os.path.join(parent, "sandbox"))
        shutil.rmtree(parent)


def test_settings_that_are_wrong(up, folder):
    """What lookupd says is shown, and nothing is left running."""
    text = os.path.join(folder, "settings")
    with open(text, "w", encoding="utf-8") as file:
        file.write("wrokers = 1;\n")
    done = command("up", up.folder, "--settings", text, check=False)
    assert done.returncode == 1 and "wrokers" in done.stdout
    assert Sandbox(up.folder).processes() == []


def test_top_level_settings():
    assert list(top_level("""# a = 1;
        b = { c = 1; }; /* d = 2; */ e : "f = 3; \\" g"; // h
        i = ( { j = "}"; }, ( 1 ) )
        k = true
        @include "x"
        l=[1];""")) == ["b", "e", "i", "k", "l"]
