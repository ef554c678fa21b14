"""lookupd-import against a real MariaDB, with the importer's own account and rights.

The zones are text files and the list of them is what named-checkconf prints, so that each case is
small; test_import_named.py has a real primary and a real secondary.
"""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

from importing import (OURS, PROGRAM, Site, everything, finish, held, last_run, let_hold_pass, many, names, wait_for_lock,
                       zone_text)
from processes import wait_until
from sql import OPERATOR, one, rows, run

pytest_plugins = ("import_fixtures", "sql_fixtures")

MX = "relay:"

pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="lookupd-import is not built (-Dimport)")


# -- a run ------------------------------------------------------------------------------------------

def test_first_run_and_unchanged_run(root, site):
    site.add("a.example", "b.example")
    site.add("none.example", mx=False)
    assert site.run() == ("", "")
    assert rows(root, "SELECT name, route, relay, recipients, enabled, source FROM domain ORDER BY name") == (
        ("a.example", MX, None, "any", 1, "bind:ns2"), ("b.example", MX, None, "any", 1, "bind:ns2"))
    assert rows(root, "SELECT source, name, route, gone_since FROM import_claim ORDER BY name") == (
        ("bind:ns2", "a.example", MX, None), ("bind:ns2", "b.example", MX, None))
    assert last_run(root) == ("done", 3, 0, 2, 0, 0)
    before = everything(root)
    assert site.run() == ("", "")
    assert everything(root) == before
    assert last_run(root) == ("done", 3, 0, 0, 0, 0)
    assert one(root, "SELECT COUNT(*) FROM import_run WHERE finished IS NOT NULL") == 2


def test_recipients_of_a_new_domain_are_a_setting(root, site):
    site.add("a.example")
    site.run()
    site.write_conf('recipients = "listed";')
    site.add("b.example")
    out, _ = site.run("-v")
    assert "1 of 2 imported domains accept any recipient" in out
    assert rows(root, "SELECT name, recipients FROM domain ORDER BY name") == (
        ("a.example", "any"), ("b.example", "listed"))


def test_dry_run_writes_nothing_at_all(root, site):
    site.add("a.example")
    site.run()
    site.drop("a.example")
    site.add("b.example")
    before = everything(root), rows(root, "SELECT * FROM import_run")
    out, err = site.run("--dry-run")
    assert out.splitlines()[0].startswith("! a.example  gone")
    assert out.splitlines()[1].startswith("+ b.example  relay:  (better-mx, zone b.example")
    assert err == ""
    found = json.loads(site.run("--dry-run", "--json")[0])
    assert [(c["action"], c["name"]) for c in found["changes"]] == [
        ("claim-gone", "a.example"), ("claim", "b.example"), ("insert", "b.example")]
    assert (found["outcome"], found["valve"], found["accept_any"]) == ("dry-run", "open", 2)
    assert (everything(root), rows(root, "SELECT * FROM import_run")) == before


def test_explain(site):
    site.add("a.example", serial=42)
    out, err = site.run("--explain", "A.example.")
    assert "42" in out and site.zone_file("a.example") in out and err == ""
    site.run("--explain", "a@b", code=64)


def test_exit_codes_of_wrong_use(root, site):
    site.add("a.example")
    assert "usage:" in site.run("--nonsense", code=64)[1]
    assert "usage:" in site.run("argument", code=64)[1]
    site.write_conf("surce = 1;")
    assert f'{site.conf}:7: surce: unknown setting; did you mean "source"?' in site.run(code=78)[1]
    site.source = "bind:nobody"
    site.write_conf()
    assert 'there is no source "bind:nobody"' in site.run(code=78)[1]
    site.source = "bind:ns1"
    site.write_conf()
    assert 'the source "bind:ns1" is the account importer_ns1\'s' in site.run(code=78)[1]
    site.source, site.account = "bind:ns2", OPERATOR
    site.write_conf()
    assert "and this is olga" in site.run(code=78)[1]
    assert names(root) == []


def test_another_schema_is_refused(root, site):
    run(root, "UPDATE schema_version SET version = 7")
    try:
        assert "schema version 7" in site.run(code=78)[1]
    finally:
        run(root, "UPDATE schema_version SET version = 2")


def test_old_runs_are_pruned(root, site):
    site.add("a.example")
    run(root, "INSERT INTO import_run (source, started, outcome) VALUES ('bind:ns2', NOW() - INTERVAL 31 DAY, 'done'),"
              " ('bind:ns2', NOW() - INTERVAL 29 DAY, 'done'), ('bind:ns1', NOW() - INTERVAL 31 DAY, 'done')")
    site.run()
    assert rows(root, "SELECT source, started < NOW() - INTERVAL 1 DAY FROM import_run ORDER BY id") == (
        ("bind:ns2", 1), ("bind:ns1", 1), ("bind:ns2", 0))


def test_on_a_terminal(root, site):
    site.add(*many(30))
    leader, terminal = os.openpty()
    with os.fdopen(leader, "rb", buffering=0) as screen:
        done = subprocess.run([site.program, "-c", site.conf], stdin=subprocess.DEVNULL, stdout=terminal,
                              stderr=terminal, timeout=60, check=False)
        os.close(terminal)
        shown = b""
        try:
            while more := screen.read(65536):
                shown += more
        except OSError:
            pass  # Linux says so at the end
    assert done.returncode == 0
    assert b"30 of 30 zones" in shown
    assert b"30 new, 0 changed, 0 deleted" in shown
    assert b"30 of 30 imported domains accept any recipient" in shown


def test_report_on_mx_records(root, operator, site):
    """Domains that name us and are not in the tables, rows whose MX does not, rows where we are best:
    told whoever asks, and nothing is changed."""
    site.add("good.example")
    better = "10 mail.{0}."
    for name, targets in (("local.example", ("10 localhost.", "20 " + OURS)), ("left.example", (better,)),
                          ("best.example", ("5 " + OURS, better)), ("null.example", ("0 .",))):
        site.write_zone(name, *(f"{name}. 3600 IN MX {target.format(name)}" for target in targets), mx=False)
        site.listed.append(name)
    site.write_list()
    run(operator, *(f"INSERT INTO domain (name, relay) VALUES ('{name}.example', 'hq')" for name in ("left", "best", "null")))
    assert site.run() == ("", "")
    before = everything(root)
    out, err = site.run("--dry-run")
    assert err == ""
    assert [line for line in out.splitlines() if line[0] == "#"] == [
        "# best.example  is in the tables, and this host is its best MX: mail would loop",
        "# left.example  belongs to people, and its MX records do not name this host (not-ours)",
        "# local.example  names this host as MX, and has no better one to relay to (bad-targets)",
        "# null.example  belongs to people, and its MX records do not name this host (null-mx)"]
    assert "MX: 2 not naming us, 1 naming us best, 1 without target" in site.run("-v")[0]
    notes = json.loads(site.run("--json")[0])["notes"]
    assert [(note["kind"], note["name"]) for note in notes] == [
        ("we-are-best-mx", "best.example"), ("mx-does-not-list-us", "left.example"),
        ("no-usable-target", "local.example"), ("mx-does-not-list-us", "null.example")]
    assert everything(root) == before


# -- who owns a row ---------------------------------------------------------------------------------

def test_what_a_person_edits_stays(root, operator, site):
    site.add("a.example", "b.example", "c.example")
    site.run()
    run(operator, "UPDATE domain SET route = 'smtp:[10.0.0.1]:25' WHERE name = 'a.example'",
        "UPDATE domain SET relay = 'hq' WHERE name = 'b.example'",
        "INSERT INTO domain (name, route) VALUES ('new.example', 'smtp:[10.0.0.2]:25')")
    site.add("new.example")
    before = rows(root, "SELECT * FROM domain WHERE name <> 'c.example'")
    for _ in range(3):
        assert site.run() == ("", "")
    assert rows(root, "SELECT * FROM domain WHERE name <> 'c.example'") == before
    out, _ = site.run("--dry-run")
    assert "# a.example  belongs to people, with smtp:[10.0.0.1]:25; DNS says relay:" in out
    assert "# b.example  belongs to people, with relay hq" in out
    # gone from DNS: people's rows stay, the claims go after hold
    site.drop("a.example", "b.example", "new.example")
    site.run()
    let_hold_pass(root)
    site.run()
    assert rows(root, "SELECT * FROM domain WHERE name <> 'c.example'") == before
    assert rows(root, "SELECT name FROM import_claim") == (("c.example",),)
    # and given back
    site.add("a.example")
    run(operator, "UPDATE domain SET source = 'bind:ns2' WHERE name = 'a.example'")
    site.run()
    assert one(root, "SELECT route, source FROM domain WHERE name = 'a.example'") == (MX, "bind:ns2")


def test_what_is_peoples_outlives_the_row(root, operator, site):
    site.add("a.example", "b.example")
    site.run()
    run(operator, "UPDATE domain SET enabled = 0, note = 'unpaid' WHERE name = 'a.example'",
        "UPDATE domain SET recipients = 'listed' WHERE name = 'a.example'")
    site.run()
    site.drop("a.example")
    site.run()
    assert names(root) == ["a.example", "b.example"], "held"
    site.run()
    let_hold_pass(root)
    site.run()
    assert names(root) == ["b.example"]
    assert last_run(root) == ("done", 1, 0, 0, 0, 1)
    before = everything(root)
    site.run()
    assert everything(root) == before
    site.add("a.example")
    site.run()
    assert one(root, "SELECT route, enabled, recipients, note, source FROM domain WHERE name = 'a.example'") == (
        MX, 0, "listed", "unpaid", "bind:ns2")


def test_a_row_passes_to_another_source(root, operator, site, folder, mariadb):
    other = Site(folder, mariadb, "bind:ns1", "importer_ns1")
    for each in (site, other):
        each.add("a.example", "b.example")
        each.run()
    assert set(rows(root, "SELECT source FROM domain")) == {("bind:ns2",)}
    run(operator, "UPDATE domain SET note = 'x' WHERE name = 'a.example'")
    site.drop("a.example")
    seen, stop = set(), threading.Event()

    def look():
        with mariadb.connect() as connection:
            while not stop.is_set():
                seen.add(rows(connection, "SELECT name, source FROM domain WHERE name = 'a.example'"))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        out, err = site.run()
    finally:
        stop.set()
        looking.join(10)
    assert (out, err) == ("", "lookupd-import: a.example passes to bind:ns1\n")
    assert () not in seen and len(seen) <= 2
    assert one(root, "SELECT source, note FROM domain WHERE name = 'a.example'") == ("bind:ns1", "x")
    # the other one drops it too: it goes, after hold
    other.drop("a.example")
    other.run()
    let_hold_pass(root)
    other.run()
    site.run()
    assert names(root) == ["b.example"]


def test_a_disabled_parent_keeps_names_out(root, operator, site):
    run(operator, "INSERT INTO domain (name, enabled) VALUES ('.b.example', 0)")
    site.add("a.b.example", "b.example", "ab.example")
    site.run()
    assert names(root) == [".b.example", "ab.example", "b.example"]
    assert "# a.b.example  is below .b.example, which people disabled: not imported" in site.run("-n")[0]
    run(operator, "UPDATE domain SET enabled = 1 WHERE name = '.b.example'")
    site.run()
    assert "a.b.example" in names(root)
    run(operator, "UPDATE domain SET enabled = 0 WHERE name = '.b.example'")
    site.run()
    assert "a.b.example" in names(root), "a row that is there stays"


# -- the valve --------------------------------------------------------------------------------------

def test_most_zones_vanish(root, site):
    site.add(*many(40))
    site.run()
    site.drop(*many(36))
    before = everything(root)
    out, err = site.run(code=2)
    assert out == ""
    assert "of 40 domains, 36 would be marked as gone" in err and "--force" in err
    assert everything(root) == before
    assert last_run(root)[0] == "refused"
    assert "36 would be marked as gone" in one(root, "SELECT message FROM import_run ORDER BY id DESC LIMIT 1")
    site.run("--dry-run", code=2)
    site.run("--force")
    assert one(root, "SELECT COUNT(*) FROM domain") == 40
    assert one(root, "SELECT COUNT(*) FROM import_claim WHERE gone_since IS NOT NULL") == 36
    let_hold_pass(root)
    site.run()
    assert one(root, "SELECT COUNT(*) FROM domain") == 4


def test_no_zones_at_all(root, site):
    site.add("a.example")
    site.run()
    before = everything(root)
    site.drop("a.example")
    assert "no secondary zone" in site.run(code=2)[1]
    assert everything(root) == before
    site.run("--force")
    assert one(root, "SELECT gone_since IS NOT NULL FROM import_claim") == 1


def test_many_new_routes(root, site):
    site.add(*many(20))
    site.run()
    site.write_conf('relay_form = "hosts";')
    before = everything(root)
    assert "20 get another route" in site.run(code=2)[1]
    assert everything(root) == before
    site.run("--force")
    assert one(root, "SELECT route FROM domain WHERE name = 'd000.example'") == "relay:[mail.d000.example]:25"
    assert last_run(root) == ("done", 20, 0, 0, 20, 0)


# -- what cannot be read ----------------------------------------------------------------------------

def test_zones_that_cannot_be_read_keep_their_rows(root, site, folder):
    bad = ["missing.example", "empty.example", "folder.example", "garbage.example", "other.example",
           "secret.example", "fifo.example"]
    site.add("good.example", *bad)
    site.run()
    for name in bad:
        os.unlink(site.zone_file(name))
    with open(site.zone_file("empty.example"), "w", encoding="ascii"):
        pass
    os.mkdir(site.zone_file("folder.example"))
    with open(site.zone_file("garbage.example"), "wb") as file:
        file.write(b"\0\0\0\2\0\0\0\1" + bytes(range(256)))
    with open(site.zone_file("other.example"), "w", encoding="ascii") as file:
        file.write(zone_text("wrong.example"))
    secret = os.path.join(folder, "secret")
    with open(secret, "w", encoding="ascii") as file:
        file.write("root:$6$dont-show-me:1:2:3:::\n")
    os.symlink(secret, site.zone_file("secret.example"))
    os.mkfifo(site.zone_file("fifo.example"))
    before = everything(root)
    out, err = site.run("-v", code=1)
    assert everything(root) == before
    assert last_run(root)[:3] == ("partial", 8, 7)
    for name in bad:
        assert name in err
    assert "dont-show-me" not in out + err
    # for cron: the first five, and how many more
    assert site.run(code=1)[1].count("\n") == 6
    let_hold_pass(root)
    site.run(code=1)
    assert len(names(root)) == 8


def test_an_expired_zone_keeps_its_row(root, site):
    site.add("a.example", expire=1)
    os.utime(site.zone_file("a.example"), (time.time() - 86400, time.time() - 86400))
    out, _ = site.run("-v")
    assert "1 expired" in out
    assert names(root) == ["a.example"]


@pytest.mark.parametrize("text", ["", "named.conf:3: unknown option 'zonee'\n", 'options {\n\tdirectory "/x";\n',
                                  'zone "a.example" { type secondary; file "a";', "\0\1\2"])
def test_no_list_of_zones(root, site, text):
    site.add("a.example")
    site.run()
    before = everything(root)
    site.write_list(text)
    assert "nothing was changed" in site.run(code=75)[1]
    assert everything(root) == before
    assert last_run(root)[0] == "failed"


def test_named_checkconf_fails(root, site, folder):
    site.add("a.example")
    site.run()
    before = everything(root)
    conf = os.path.join(folder, "named.conf")
    for text, program in (("options {", "/usr/bin/named-checkconf"), (None, "/usr/bin/named-checkconf"),
                          ("options { };", "/usr/bin/named-checkconf-missing"), ("options { };", "/bin/false")):
        if text is None:
            os.unlink(conf)
        else:
            with open(conf, "w", encoding="ascii") as file:
                file.write(text)
        site.write_conf(f'named_conf = "{conf}"; named_checkconf = "{program}";')
        assert "nothing was changed" in site.run(code=75)[1]
        assert everything(root) == before


# -- the database, other runs, and people, meanwhile --------------------------------------------------

def session_of(root):
    return one(root, "SELECT id FROM information_schema.PROCESSLIST WHERE user = 'importer_ns2'")


@pytest.fixture
def under_way(root, site, mariadb):
    """A run that stands in the middle of its transaction: it has written a hundred rows, a.example
    among them, which is new, and waits for z.example, which a person holds."""
    site.add(*many(120), "z.example")
    site.run()
    site.add("a.example")
    site.write_conf('relay_form = "hosts";')
    person = held(mariadb, "UPDATE domain SET note = 'mine' WHERE name = 'z.example'")
    before = everything(root)
    process = site.start("--force")
    wait_for_lock(root)
    assert one(root, "SELECT SUM(trx_rows_modified) >= 200 FROM information_schema.INNODB_TRX")
    assert everything(root) == before, "nobody sees half of it"
    yield process, person, before
    if process.poll() is None:
        process.kill()
        process.communicate(timeout=10)
    person.close()


def test_the_database_goes_away(root, site, under_way):
    process, person, before = under_way
    run(root, f"KILL {session_of(root)}")
    code, said = finish(process)
    assert code == 75 and "nothing was changed" in said
    person.rollback()
    assert everything(root) == before
    assert last_run(root)[0] == "failed"
    site.run("--force")
    assert "a.example" in names(root)


def test_kill_9(root, site, under_way):
    process, person, before = under_way
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    person.rollback()
    wait_until(lambda: not rows(root, "SELECT 1 FROM information_schema.PROCESSLIST WHERE user = 'importer_ns2'"),
               what="the server has seen it")
    assert everything(root) == before
    assert last_run(root)[0] == "running"
    site.run("--force")
    assert names(root) == ["a.example", *many(120), "z.example"]
    assert [outcome for (outcome,) in rows(root, "SELECT outcome FROM import_run ORDER BY id")] == [
        "done", "failed", "done"]


def test_two_runs_at_once(root, site, under_way):
    process, person, _ = under_way
    assert "another run holds the lock" in site.run(code=75)[1]
    assert one(root, "SELECT COUNT(*) FROM import_run WHERE outcome = 'running'") == 1
    site.run("--dry-run", "--force")  # changes nothing, so it needs no lock
    person.rollback()
    assert finish(process) == (0, "")


def test_a_person_edits_a_row_meanwhile(root, site, under_way):
    process, person, _ = under_way
    run(person, "UPDATE domain SET route = 'smtp:[10.0.0.9]:25' WHERE name = 'z.example'", "COMMIT")
    assert finish(process) == (0, "")
    assert one(root, "SELECT route, note, source FROM domain WHERE name = 'z.example'") == (
        "smtp:[10.0.0.9]:25", "mine", None)
    assert one(root, "SELECT route FROM domain WHERE name = 'a.example'") == "relay:[mail.a.example]:25"
    assert "1 rows were changed by others meanwhile" in one(
        root, "SELECT message FROM import_run ORDER BY id DESC LIMIT 1")


def test_a_person_makes_the_row_meanwhile(root, site, mariadb):
    """The insert waits for a person's uncommitted one, and finds the row taken."""
    site.add("a.example", "b.example")
    person = held(mariadb, "INSERT INTO domain (name, route) VALUES ('b.example', 'smtp:[10.0.0.9]:25')")
    process = site.start()
    wait_for_lock(root)
    run(person, "COMMIT")
    assert finish(process) == (0, "")
    assert rows(root, "SELECT name, route, source FROM domain ORDER BY name") == (
        ("a.example", MX, "bind:ns2"), ("b.example", "smtp:[10.0.0.9]:25", None))
    person.close()


def test_a_lock_is_waited_for_again(root, site, mariadb):
    site.add("a.example", "b.example")
    site.run()
    site.write_conf('relay_form = "hosts";', timeout=4)  # gives up a lock after 2 s
    person = held(mariadb, "UPDATE domain SET note = 'mine' WHERE name = 'b.example'")
    process = site.start()
    time.sleep(3.5)
    person.rollback()
    assert finish(process) == (0, "")
    assert one(root, "SELECT route FROM domain WHERE name = 'b.example'") == "relay:[mail.b.example]:25"
    person.close()


def test_a_lock_that_is_never_given_up(root, site, mariadb):
    site.add("a.example", "b.example")
    site.run()
    before = everything(root)
    site.write_conf('relay_form = "hosts";', timeout=2)
    person = held(mariadb, "UPDATE domain SET note = 'mine' WHERE name = 'b.example'")
    code, said = finish(site.start())
    assert code == 75 and "nothing was changed" in said
    person.rollback()
    assert everything(root) == before
    person.close()


def test_no_database(site, mariadb, root):
    site.write_conf("", hosts='( "unix:/nonexistent/socket" )')
    assert "nothing was changed" in site.run(code=75)[1]
