"""What can happen to lookupd-import at any moment; the tables are as before, or as they should be.

Beside these: test_import.py has what cannot be read, the valve and one kill -9; test_import_named.py
a hostile zone that was really transferred.
"""

import os
import pwd
import signal
import subprocess
import threading
import time

import pytest

from conftest import new_folder
from importing import (OURS, PROGRAM, Site, everything, finish, held, last_run, many, names, prepare, wait_for_lock,
                       zone_text)
from private_mariadb import PrivateMariaDB
from processes import is_alive, wait_until
from sandbox import DATABASE, SCHEMA
from sql import one, rows, run

pytest_plugins = ("import_fixtures", "sql_fixtures")
pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="lookupd-import is not built (-Dimport)")


def write(path, text, mode=0o644):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


# -- named.conf and the program that reads it ---------------------------------------------------------

@pytest.fixture
def named_conf(root, site):
    """A named.conf with one zone, imported once."""
    site.write_zone("a.example")
    path = write(site.path("named.conf"), f'options {{ directory "{site.zones_directory}"; }};\n'
                 'zone "a.example" { type secondary; file "a.example.db"; primaries { 192.0.2.53; }; };\n')
    site.write_conf(f'named_conf = "{path}";')
    assert site.run() == ("", "")
    assert names(root) == ["a.example"]
    return path


def test_named_conf_that_says_nothing(root, site, named_conf):
    """Empty, gone, a folder: no list of zones. Without zones: a list, which the valve refuses."""
    before = everything(root)
    for text, code, said in (("", 75, "nothing was changed"), ("options { };\n", 2, "no secondary zone"),
                             ("options {\n", 75, "expected"), (None, 75, "file not found")):
        if text is None:
            os.unlink(named_conf)
        else:
            write(named_conf, text)
        for force in ((), ("--force",)) if code == 75 else ((),):
            assert said in site.run(*force, code=code)[1]
        assert everything(root) == before
    os.mkdir(named_conf)
    assert "nothing was changed" in site.run("--force", code=75)[1]
    assert everything(root) == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_files_that_the_importer_may_not_read(root, site, named_conf):
    """As an ordinary user: keys for bind's eyes only, then a zone file, then the lock's folder."""
    keys = write(site.path("keys.conf"), 'key "k" { algorithm hmac-sha256; secret "c2VjcmV0"; };\n')
    with open(named_conf, "a", encoding="ascii") as file:
        file.write(f'include "{keys}";\n')
    write(site.path("lock"), "")
    os.chown(site.path("lock"), pwd.getpwnam("nobody").pw_uid, -1)

    def run_as_nobody(*arguments):
        done = subprocess.run([site.program, "-c", site.conf, *arguments], user="nobody", group="nogroup",
                              extra_groups=(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False)
        return done.returncode, done.stdout + done.stderr

    before = everything(root)
    assert run_as_nobody() == (0, "")
    os.chmod(keys, 0o600)
    code, said = run_as_nobody("--force")
    assert code == 75 and "keys.conf: permission denied" in said and "nothing was changed" in said
    assert everything(root) == before
    os.chmod(keys, 0o644)
    os.chmod(site.zone_file("a.example"), 0o600)
    code, said = run_as_nobody()
    assert code == 1 and "a.example.db: no right to read it" in said
    assert everything(root) == before
    os.chmod(site.zone_file("a.example"), 0o644)
    # root has tried it by hand, and the lock is his: that is no reason to stand still
    os.chown(site.path("lock"), 0, 0)
    os.chmod(site.path("lock"), 0o644)
    assert run_as_nobody() == (0, "")
    os.chmod(site.path("lock"), 0o600)
    code, said = run_as_nobody()
    assert code == 75 and "cannot take the lock: Permission denied" in said
    assert everything(root) == before
    assert run_as_nobody("--dry-run")[0] == 0


def test_a_program_that_prints_too_much(root, site, named_conf):
    before = everything(root)
    program = write(site.path("checkconf"), "#!/bin/sh\nexec head -c 300000000 /dev/zero\n", 0o755)
    site.write_conf(f'named_conf = "{named_conf}"; named_checkconf = "{program}";')
    out, err = site.run("--force", code=75)
    assert out == "" and "printed more than is believed" in err and "nothing was changed" in err
    assert everything(root) == before
    assert last_run(root)[0] == "failed"


def hanging(site, named_conf):
    """A run that waits for a named-checkconf that never ends; returns it and the program's id."""
    note = site.path("note")
    program = write(site.path("checkconf"), f"#!/bin/sh\necho $$ > {note}.new; mv {note}.new {note}\n"
                                            "exec sleep 1000\n", 0o755)
    site.write_conf(f'named_conf = "{named_conf}"; named_checkconf = "{program}";')
    process = site.start("--force")
    wait_until(lambda: os.path.exists(note), what="the program runs")
    with open(note, encoding="ascii") as file:
        return process, int(file.read())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_hangs_goes_with_the_run(root, site, named_conf, how):
    before = everything(root)
    process, program = hanging(site, named_conf)
    assert "another run holds the lock" in site.run(code=75)[1]
    process.send_signal(how)
    process.communicate(timeout=20)
    wait_until(lambda: not is_alive(program), what="named-checkconf is gone")
    assert everything(root) == before
    site.write_conf(f'named_conf = "{named_conf}";')
    assert site.run() == ("", "")


@pytest.mark.long
def test_a_program_that_hangs(root, site, named_conf):
    before = everything(root)
    process, program = hanging(site, named_conf)
    out, err = process.communicate(timeout=200)
    assert (process.returncode, out) == (75, "") and "was not done in time" in err
    assert not is_alive(program)
    assert everything(root) == before


# -- zone files ---------------------------------------------------------------------------------------

def test_files_that_are_replaced_all_the_time(root, site):
    """As named replaces them: another file, renamed. Whichever was read is whole."""
    zones = many(20)
    site.add(*zones)
    site.run()
    before = everything(root)
    stop = threading.Event()

    def replace():
        serial = 1
        while not stop.is_set():
            serial += 1
            for name in zones:
                with open(site.path("new"), "w", encoding="ascii") as file:
                    file.write(zone_text(name, *(f"h{i}.{name}. 60 IN A 203.0.113.9" for i in range(serial % 200)),
                                         serial=serial))
                os.rename(site.path("new"), site.zone_file(name))

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        for _ in range(10):
            assert site.run() == ("", "")
    finally:
        stop.set()
        replacing.join(20)
    assert everything(root) == before


@pytest.mark.parametrize("most", [500, pytest.param(10000, marks=pytest.mark.long)])
def test_ten_thousand_mx_names(root, site, most):
    """One name with 10,000 MX records; a zone with as many names as max_names, and with one more."""
    def owners(count):
        return [f"n{i}.many.example. 3600 IN MX {p} {host}" for i in range(count - 1)
                for p, host in ((10, "mail.many.example."), (20, OURS))]

    limit = f"max_names = {most};" if most != 10000 else ""  # the default
    site.write_conf(limit)
    site.add("a.example")
    site.write_zone("set.example", *(f"set.example. 3600 IN MX 10 m{i}.example.org." for i in range(10000)))
    site.write_zone("many.example", *owners(most))
    site.listed += ["set.example", "many.example"]
    site.write_list()
    assert site.run() == ("", "")
    assert one(root, "SELECT COUNT(*) FROM domain") == most + 2
    before = everything(root)
    site.write_zone("many.example", *owners(most + 1))
    said = site.run(code=1)[1]
    assert said.count(f"many.example: has more mail domains than max_names = {most}") == 1
    assert everything(root) == before
    site.write_conf('relay_form = "hosts";' + limit)
    out, _ = site.run("--dry-run", code=1)
    assert "relay:[mail.set.example]:25  (" in out, "the one host that the zone vouches for"


# -- the run itself -----------------------------------------------------------------------------------

def test_kill_9_at_any_moment(root, site):
    """Killed after a little longer each time, until it gets through: all of it is there, or nothing."""
    site.add(*many(150))
    site.run()
    forms = ("mx", "hosts")
    states = {}
    for form in forms:
        site.write_conf(f'relay_form = "{form}";')
        site.run("--force")
        states[form] = rows(root, "SELECT name, route, source FROM domain"), \
            rows(root, "SELECT name, route, gone_since FROM import_claim")
    assert states["mx"] != states["hosts"]
    begun = time.monotonic()
    site.run()
    length = time.monotonic() - begun
    seen = {"before": 0, "after": 0}
    now, steps = "hosts", 24
    for step in range(steps):
        other = forms[1 - forms.index(now)]
        site.write_conf(f'relay_form = "{other}";')
        process = site.start("--force")
        time.sleep(2 * length * step / steps)
        process.kill()
        process.communicate(timeout=20)
        wait_until(lambda: not rows(root, "SELECT 1 FROM information_schema.PROCESSLIST WHERE user = 'importer_ns2'"),
                   what="the server has seen it")
        found = rows(root, "SELECT name, route, source FROM domain"), \
            rows(root, "SELECT name, route, gone_since FROM import_claim")
        assert found in (states[now], states[other]), step
        seen["after" if found == states[other] else "before"] += 1
        if found == states[other]:
            now = other
    assert seen["before"], seen
    site.write_conf('relay_form = "mx";')
    site.run("--force")
    assert (rows(root, "SELECT name, route, source FROM domain"),
            rows(root, "SELECT name, route, gone_since FROM import_claim")) == states["mx"]


def test_a_deadlock_with_a_person(root, site, mariadb):
    """The run holds a row that the person wants, and wants one that the person has changed beside a
    thousand others: InnoDB ends the one who did less, and the run begins again."""
    site.add("a.example", "z.example")
    site.run()
    site.write_conf('relay_form = "hosts";')
    run(root, "INSERT INTO domain (name) SELECT CONCAT('p', seq, '.example') FROM seq_1_to_1000")
    person = held(mariadb, "UPDATE domain SET note = 'mine' WHERE name LIKE 'p%'",
                  "UPDATE domain SET route = 'smtp:[10.0.0.9]:25' WHERE name = 'z.example'")
    process = site.start()
    wait_for_lock(root)
    run(person, "UPDATE domain SET note = 'mine' WHERE name = 'a.example'", "COMMIT")
    assert finish(process) == (0, "")
    assert rows(root, "SELECT name, route, note, source FROM domain WHERE name NOT LIKE 'p%'") == (
        ("a.example", "relay:[mail.a.example]:25", "mine", "bind:ns2"), ("z.example", "smtp:[10.0.0.9]:25", None, None))
    assert one(root, "SELECT message FROM import_run ORDER BY id DESC LIMIT 1").startswith("1 rows were changed by others")
    person.close()


def test_the_server_crashes_meanwhile():
    """mariadbd, killed while the run is in its transaction: as before, and the next run makes it good."""
    folder = new_folder()
    server = PrivateMariaDB(os.path.join(folder, "mariadb"))
    try:
        server.start()
        server.load(DATABASE, SCHEMA)
        with server.connect() as root:
            prepare(root)
            run(root, "CREATE USER IF NOT EXISTS olga@localhost", "GRANT ALL ON *.* TO olga@localhost")
        site = Site(folder, server)
        site.add(*many(120), "z.example")
        site.run()
        site.write_conf('relay_form = "hosts";')
        person = held(server, "UPDATE domain SET note = 'mine' WHERE name = 'z.example'")
        with server.connect() as root:
            before = everything(root)
            process = site.start("--force")
            wait_for_lock(root)
        server.kill()
        code, said = finish(process)
        assert code == 75 and "nothing was changed" in said
        assert "nothing was changed" in site.run(code=75)[1]
        server.start()
        with server.connect() as root:
            assert everything(root) == before
            assert last_run(root)[0] == "running"
            site.run("--force")
            assert one(root, "SELECT COUNT(*) FROM domain WHERE route LIKE 'relay:[mail%'") == 121
        del person
    finally:
        server.stop()
        subprocess.run(["rm", "-rf", folder], check=False)
