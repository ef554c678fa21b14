"""lookupd-import against what a hostile review thought of: rights that change under a run, zones that
are small as files and large as names."""

import os
import subprocess

import pytest

from importing import PROGRAM, Site, everything, finish, held, last_run, let_hold_pass, many, names, wait_for_lock
from netproxy import STMT_EXECUTE, Cut, Proxy
from processes import wait_until
from sql import ADMIN, one, rows, run

pytest_plugins = ("import_fixtures", "sql_fixtures")
pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="lookupd-import is not built (-Dimport)")


def test_a_source_that_is_taken_away_meanwhile(root, site, mariadb):
    """Without its source an account is a person's to the triggers: an update would make the rows people's."""
    site.add("a.example", "b.example")
    site.run()
    before = everything(root)
    site.write_conf('relay_form = "hosts";')
    admin = mariadb.connect(ADMIN)
    run(admin, "START TRANSACTION", "UPDATE source SET account = 'importer_ns1' WHERE name = 'bind:ns2'")
    process = site.start()  # it has seen the old account, and waits with its run's row for the source's
    wait_for_lock(root)
    run(admin, "COMMIT")
    code, said = finish(process)
    assert code == 78 and "is the account importer_ns1's" in said
    assert [row[:8] for row in everything(root)[0]] == [row[:8] for row in before[0]]
    assert {source for (source,) in rows(root, "SELECT source FROM domain")} == {"bind:ns2"}
    assert last_run(root)[0] == "failed"
    admin.close()


def test_without_open_descriptors(root, site):
    """What is opened first must not take the numbers of standard output and error: what is said there
    would go to the database."""
    site.add("a.example", "b.example")
    os.unlink(site.zone_file("b.example"))
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" -v >&- 2>&-', PROGRAM, site.conf], timeout=60, check=False)
    assert done.returncode == 1
    assert names(root) == ["a.example"] and last_run(root)[0] == "partial"
    assert os.path.getsize(site.path("lock")) == 0


def test_output_that_cannot_be_written(root, site):
    site.add("a.example")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([PROGRAM, "-c", site.conf, "-v"], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
    assert done.returncode == 74 and "cannot write" in done.stderr
    assert names(root) == ["a.example"] and last_run(root)[0] == "done"


def test_explain_writes_no_octet_that_is_not_printable(site):
    site.add("a.example")
    with open(site.path("list"), "rb") as file:
        text = file.read().replace(b'"a.example.db"', b'"a\x1b[31m\xff.db"')
    with open(site.path("list"), "wb") as file:
        file.write(text)
    done = subprocess.run([PROGRAM, "-c", site.conf, "--explain", "a.example"], capture_output=True, timeout=60,
                          check=True)
    assert b"a\\027[31m\\255.db: could not be read" in done.stdout
    assert not set(done.stdout + done.stderr) - set(range(0x20, 0x7f)) - {0x0a}


def test_a_row_that_a_person_brings_back_is_held_anew(root, operator, site):
    """The claim is gone for longer than hold: without that the next run would take the row away again,
    and the valve would not see it."""
    site.add("z.example", *many(6))
    site.run()
    site.drop(*many(6))
    site.run("--force")
    let_hold_pass(root)
    site.run()
    assert names(root) == ["z.example"]
    run(operator, "SET @before = (SELECT MIN(at) FROM history WHERE action = 'delete') - INTERVAL 1 MICROSECOND",
        *(f"CALL restore_row('domain', '{name}', @before)" for name in many(6)))
    before = everything(root)
    assert "6 would be marked as gone" in site.run(code=2)[1]
    assert everything(root) == before
    site.run("--force")
    site.run()
    assert names(root) == [*many(6), "z.example"], "held"
    let_hold_pass(root)
    site.run()
    assert names(root) == ["z.example"]


def test_a_zone_that_comes_while_another_source_deletes_its_row(root, site, folder, mariadb):
    """The one has seen that nobody claims it, the other that there is a row: the claim waits, and makes it anew."""
    other = Site(folder, mariadb, "bind:ns1", "importer_ns1")
    site.add("a.example", *many(120), "z.example")
    site.run()
    site.drop("a.example")
    site.run()
    let_hold_pass(root)
    site.write_conf('relay_form = "hosts";')
    person = held(mariadb, "UPDATE domain SET note = 'mine' WHERE name = 'z.example'")
    deleting = site.start("--force")  # it has deleted the row, and waits for the person
    wait_for_lock(root)
    other.add("a.example")
    claiming = other.start()
    wait_until(lambda: one(root, "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'") == 2
               or claiming.poll() is not None, interval=0.2, what="both wait")
    person.rollback()
    assert finish(deleting) == finish(claiming) == (0, "")
    assert one(root, "SELECT source, route FROM domain WHERE name = 'a.example'") == ("bind:ns1", "relay:")
    person.close()


def damage(file):
    with open(file + ".jnl", "wb") as journal:
        journal.write(b"damaged " * 20)


def test_a_journal_that_cannot_be_read_takes_nothing_away(root, site, folder, mariadb):
    """What IXFR brought stands in the journal only, for a quarter of an hour: the file alone lacks it."""
    other = Site(folder, mariadb, "bind:ns1", "importer_ns1")
    for each in (site, other):
        each.write_conf('hold = 0; relay_form = "hosts";')
        each.add("a.example", "b.example", "c.example")
        each.run()
    before = everything(root)
    site.write_zone("a.example", mx=False)
    damage(site.zone_file("a.example"))
    site.write_zone("c.example", "c.example. 60 IN MX 5 old.c.example.", "old.c.example. 60 IN A 203.0.113.5")
    damage(site.zone_file("c.example"))
    site.add("new.example")
    damage(site.zone_file("new.example"))
    said = site.run(code=1)[1]
    assert "a.example: its rows stay as they are, for want of its journal: " in said and " passes to " not in said
    assert last_run(root)[0] == "partial"
    assert rows(root, "SELECT * FROM domain WHERE name <> 'new.example' ORDER BY 1") == before[0]
    assert "new.example" in names(root), "what the file has counts"
    assert "its journal could not be used" in site.run("--explain", "a.example")[0]
    os.unlink(site.zone_file("a.example") + ".jnl")
    assert "a.example passes to bind:ns1" in site.run(code=1)[1]


def test_a_catalog_without_its_journal_loses_no_member(root, site):
    site.write_conf("hold = 0;")
    site.add("a.example")
    for name in ("m.example", "n.example"):
        site.write_zone(name)
        os.rename(site.zone_file(name), site.zone_file(f"__catz___default_cat.example_{name}"))
    with open(site.path("list"), encoding="ascii") as file:
        site.write_list(file.read().replace("options {\n", 'options {\n\tcatalog-zones {\n\t\tzone "cat.example";\n\t};\n')
                        + 'zone "cat.example" {\n\ttype secondary;\n\tfile "cat.example.db";\n};\n')

    def catalog(*members):
        site.write_zone("cat.example", 'version.cat.example. 3600 IN TXT "2"',
                        *(f"{name[0]}.zones.cat.example. 3600 IN PTR {name}." for name in members), mx=False)

    catalog("m.example", "n.example")
    site.run()
    assert names(root) == ["a.example", "m.example", "n.example"]
    before = everything(root)
    catalog("m.example")
    damage(site.zone_file("cat.example"))
    assert "catalog cat.example: " in site.run(code=1)[1]
    assert everything(root) == before
    os.unlink(site.zone_file("cat.example") + ".jnl")
    site.run()
    assert names(root) == ["a.example", "m.example"]


class LostCommit:
    """The answer to the COMMIT of what a run writes gets lost; reachable: new connections go on after it."""

    def __init__(self, reachable):
        self.reachable, self.writing, self.committing, self.lost = reachable, False, None, False

    def client(self, conversation, octets):
        self.writing = self.writing or b"LOCK IN SHARE MODE" in octets
        if self.writing and octets.endswith(b"\x16COMMIT"):  # COM_STMT_PREPARE
            self.committing = conversation
        yield octets

    def __call__(self, conversation, octets):
        self.lost = self.lost or conversation is self.committing and conversation.command == STMT_EXECUTE
        if self.lost and (conversation is self.committing or not self.reachable):
            raise Cut
        yield octets


def test_the_answer_to_commit_gets_lost(root, site, folder, mariadb):
    """The changes are made. Who can still ask finds that out; who cannot does not say that nothing was."""
    site.add("a.example")
    with Proxy(mariadb.socket, os.path.join(folder, "db")) as proxy:
        site.write_conf(hosts=f'( "unix:{os.path.join(folder, "db")}" )', timeout=5)
        proxy.fault = LostCommit(reachable=True)
        assert site.run() == ("", "")
        assert proxy.fault.lost and names(root) == ["a.example"] and last_run(root)[0] == "done"
        site.add("b.example")
        proxy.fault = LostCommit(reachable=False)
        said = site.run(code=75)[1]
        assert "whether the changes were made is not known" in said and "nothing was changed" not in said
        assert proxy.fault.lost and names(root) == ["a.example", "b.example"] and last_run(root)[0] == "done"


def test_a_zone_that_another_view_has_by_in_view(root, site):
    """The host by whose address an MX record is ours stands in a zone that two views share."""
    def zone(name, text='type secondary; file "{0}.db";'):
        return '\tzone "%s" {\n\t\t%s\n\t};\n' % (name, text.format(name))

    site.write_conf('my_names = ( "us.invalid" ); my_addresses = ( "192.0.2.99" );')
    site.write_zone("net.example", "mx.net.example. 60 IN A 192.0.2.99", mx=False)
    site.write_zone("d.example", "d.example. 60 IN MX 10 mail.d.example.", "d.example. 60 IN MX 20 mx.net.example.",
                    "mail.d.example. 60 IN A 203.0.113.4", mx=False)
    site.write_list(f'options {{\n\tdirectory "{site.zones_directory}";\n}};\n'
                    'view "in" {\n' + zone("net.example") + '};\nview "out" {\n'
                    + zone("net.example", 'in-view "in";') + zone("d.example") + "};\n")
    assert site.run() == ("", "")
    assert names(root) == ["d.example"]
    explained = site.run("--explain", "mx.net.example")[0]
    assert explained.count("zone net.example, view in, ") == 1 and "view out" not in explained
