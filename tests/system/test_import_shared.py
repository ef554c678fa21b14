"""Two name servers, two importers, one database, and lookups through lookupd all the while."""

import contextlib
import os
import threading

import pytest

from importing import PROGRAM, Site, finish, let_hold_pass, many, names, prepare
from processes import wait_until
from sql import one, rows, run

pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="lookupd-import is not built (-Dimport)")

HINT = '{0}. 3600 IN TXT "v=lookupd1 relay=hq"'
HQ = "relay:[mail.example.net]:25"


@pytest.fixture
def root(sandbox):
    connection = sandbox.connect()
    for table in ("import_claim", "import_run", "history"):
        run(connection, f"DELETE FROM {table}")
    prepare(connection)
    yield connection
    connection.close()


@pytest.fixture
def sites(folder, sandbox, root):
    """bind:ns2, whose rows they are at first, and bind:ns1, which says the same."""
    return Site(folder, sandbox.mariadb), Site(folder, sandbox.mariadb, "bind:ns1", "importer_ns1")


class Asking:
    """Asks lookupd for names, one after the other, and keeps every answer that it ever gave."""

    def __init__(self, sandbox, asked):
        self.sandbox, self.asked = sandbox, asked
        self.answers = {}
        self.rounds = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        with self.sandbox.socketmap() as client:
            while not self.stop.is_set():
                for name in self.asked:
                    for lookup, key in (("relay_domains", name), ("transport", "info@" + name),
                                        ("relay_recipients", "info@" + name)):
                        self.answers.setdefault((lookup, name), set()).add(client.query(lookup, key))
                self.rounds += 1

    def of(self, lookup):
        return {answer for (which, _), answers in self.answers.items() if which == lookup for answer in answers}


@contextlib.contextmanager
def asking(sandbox, asked):
    stream = Asking(sandbox, asked)
    stream.thread.start()
    try:
        wait_until(lambda: stream.rounds > 0, what="the first answers")
        yield stream
        rounds = stream.rounds
        wait_until(lambda: stream.rounds > rounds + 1, what="answers after it")
    finally:
        stream.stop.set()
        stream.thread.join(20)
    assert {answer[0] for answers in stream.answers.values() for answer in answers} == {"OK"}, stream.answers


def test_rows_pass_and_no_lookup_misses_them(sandbox, root, sites):
    """Three hundred at once, with the way that the other source has for them: its route, or its relay."""
    ours, other = sites
    other.write_conf('hint_relays = ( "hq" ); relay_form = "hosts";')
    zones = many(300)
    ours.add(*zones)
    other.add(*zones)
    for name in zones[:150]:
        other.write_zone(name, HINT.format(name))
    assert ours.run() == ("", "")
    assert other.run() == ("", "")
    assert set(rows(root, "SELECT source, route, relay FROM domain")) == {("bind:ns2", "relay:", None)}
    assert one(root, "SELECT COUNT(*) FROM import_claim WHERE source = 'bind:ns1' AND relay = 'hq'") == 150
    run(root, "UPDATE domain SET note = 'mine', recipients = 'any' WHERE name = 'd000.example'")
    with asking(sandbox, zones[::10]) as stream:
        ours.drop(*zones[10:])
        out, err = ours.run(code=2)
        assert "290 would be marked as gone" in err
        out, err = ours.run("--force")
        assert out == "" and err.count(" passes to bind:ns1") == 290
    for name in zones[::10]:
        number = int(name[1:4])
        new = ("OK", HQ) if number < 150 else ("OK", f"relay:[mail.{name}]:25")
        assert stream.answers["transport", name] == ({("OK", "relay:")} if number < 10 else {("OK", "relay:"), new})
    assert rows(root, "SELECT source, relay, COUNT(*) FROM domain GROUP BY 1, 2 ORDER BY 1, 2") == (
        ("bind:ns1", None, 150), ("bind:ns1", "hq", 140), ("bind:ns2", None, 10))
    # what passed is what the new owner wants: it has nothing to change
    before = rows(root, "SELECT * FROM domain")
    assert other.run() == ours.run() == ("", "")
    assert rows(root, "SELECT * FROM domain") == before


def test_a_relay_that_nobody_made(sandbox, root, sites):
    """The other source's claim asks for it: until it is there, mail goes as before."""
    ours, other = sites
    other.write_conf('hint_relays = ( "later" );')
    ours.add("a.example")
    other.write_zone("a.example", HINT.format("a.example").replace("hq", "later"))
    other.listed = ["a.example"]
    other.write_list()
    ours.write_conf('relay_form = "hosts";')
    ours.run()
    said = "asks for the relay later, which the table relay does not have"
    assert other.run() == ("", "")
    assert one(root, "SELECT relay FROM import_claim WHERE source = 'bind:ns1'") == "later"
    ours.drop("a.example")
    ours.run("--force")
    here = ("relay:[mail.a.example]:25", None, "bind:ns1")
    assert one(root, "SELECT route, relay, source FROM domain") == here
    assert other.run() == ("", f"lookupd-import: a.example {said}\n")
    assert f"# a.example  {said}: its row stays as it is\n" in other.run("--dry-run")[0]
    assert one(root, "SELECT route, relay, source FROM domain") == here
    run(root, "INSERT INTO relay (name, nexthop) VALUES ('later', '[10.0.0.7]:25')")
    other.run()
    assert one(root, "SELECT route, relay, source FROM domain") == (None, "later", "bind:ns1")


def test_both_drop_them_at_the_same_time(sandbox, root, sites):
    """Whoever comes first passes them on; they go after hold, from whoever has them then."""
    ours, other = sites
    zones = many(60)
    for each in sites:
        each.add(*zones)
        each.run()
    for _ in range(3):
        with asking(sandbox, zones[::6]):
            for each in sites:
                each.drop(*zones)
            runs = [each.start("--force") for each in sites]
            for process in runs:
                code, said = finish(process)
                assert code == 0, said
            assert names(root) == zones, "held"
            for each in sites:
                each.listed = list(zones)
                each.write_list()
                each.run("--force")
    for each in sites:
        each.drop(*zones)
        each.run("--force")
    let_hold_pass(root)
    for _ in range(2):
        for each in sites:
            each.run("--force")
    assert names(root) == []
