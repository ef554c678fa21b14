"""Who changed what, and the way back; one domain's recipient list; pruning."""

import json
import threading

import pytest

from processes import wait_until
from sql import ADMIN, IMPORTER, error_of, fresh, one, refused, rows, run

pytest_plugins = ("sql_fixtures",)


@pytest.fixture
def root(mariadb):
    connection = fresh(mariadb)
    yield connection
    connection.close()


# table, key, insert, update, the columns that both set, the update that changes nothing
TABLES = [
    ("relay", "hq", "INSERT INTO relay (name, nexthop, note) VALUES ('hq', '[a.example]', 'ü \"quoted\" \\\\')",
     "UPDATE relay SET transport = 'smtp', nexthop = '[b.example]', enabled = 0, note = NULL",
     "SELECT name, transport, nexthop, enabled, note FROM relay", "UPDATE relay SET name = 'HQ'"),
    ("relay_tenant", "tina hq", "INSERT INTO relay_tenant (relay, tenant) VALUES ('hq', 'tina')", None,
     "SELECT relay, tenant FROM relay_tenant", "UPDATE relay_tenant SET relay = 'HQ'"),
    ("source", "bind:x", "INSERT INTO source (name, account, note) VALUES ('bind:x', 'x', 'n')",
     "UPDATE source SET account = 'y', note = NULL WHERE name = 'bind:x'",
     "SELECT name, account, note FROM source WHERE name = 'bind:x'", "UPDATE source SET name = UPPER(name)"),
    ("domain", "a.example", "INSERT INTO domain (name, route, note, owner) VALUES ('a.example', 'smtp:[a.example], [b.example]:26', '', 'tina')",
     "UPDATE domain SET relay = 'hq', route = NULL, recipients = 'listed', enabled = 0, owner = NULL, note = 'n', source = 'bind:ns2'",
     "SELECT name, relay, route, recipients, enabled, owner, note, source FROM domain", "UPDATE domain SET name = 'A.example.'"),
    ("recipient", "a@a.example", "INSERT INTO recipient (address, route) VALUES ('a@a.example', 'lmtp:[a.example]:24')",
     "UPDATE recipient SET route = NULL, enabled = 0, note = 'n', source = 'bind:ns2'",
     "SELECT address, route, enabled, note, source FROM recipient", "UPDATE recipient SET address = 'A@A.example'"),
    ("alias", "@a.example", "INSERT INTO alias (address, goto) VALUES ('@a.example', 'x@b.example, y@b.example')",
     "UPDATE alias SET goto = '@b.example', enabled = 0, note = 'n'",
     "SELECT address, goto, enabled, note FROM alias", "UPDATE alias SET address = '@A.example'"),
    ("access", "client 192.0.2", "INSERT INTO access (map, pattern, action) VALUES ('client', '192.0.2.', 'REJECT no, thanks')",
     "UPDATE access SET action = 'OK', enabled = 0, note = 'n'",
     "SELECT map, pattern, action, enabled, note FROM access", "UPDATE access SET pattern = '192.0.2.'"),
]


def at(root):
    """The time of the last entry; the next one will be later."""
    return str(one(root, "SELECT MAX(at) FROM history"))


@pytest.mark.parametrize("table,key,insert,update,select,same", TABLES, ids=[t[0] for t in TABLES])
def test_every_table(root, admin, table, key, insert, update, select, same):
    """insert, update and delete are written down, and each state comes back as the administrator."""
    if table not in ("relay", "source"):
        run(root, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[mail.example.net]')")
    run(root, "TRUNCATE TABLE history")
    if update is None:  # a table of nothing but a key
        run(root, "INSERT INTO relay (name, nexthop) VALUES ('lab', '[mail.example.net]')", "TRUNCATE TABLE history")
    where = {"source": " WHERE name = 'bind:x'"}.get(table, "")
    run(admin, "DO SLEEP(0.001)", insert)
    first, first_state = at(root), rows(admin, select)
    run(admin, same)
    if table != "relay_tenant":
        assert one(root, f"SELECT updated_by FROM {table}{where}") == "adam@localhost"
    assert one(root, "SELECT COUNT(*) FROM history") == 1, "an update that changes nothing is not written down"
    if update:
        run(admin, update)
    second, second_state = at(root), rows(admin, select)
    if where:
        run(admin, f"DELETE FROM {table}{where}")
    else:
        if table in ("domain", "recipient"):
            run(root, f"UPDATE {table} SET source = NULL")
        run(admin, f"DELETE FROM {table}")
    entries = rows(root, "SELECT who, action, old IS NULL, new IS NULL FROM history WHERE table_name = %s AND row_key = %s"
                         " AND who LIKE 'adam%%' ORDER BY id", (table, key))
    assert entries == tuple(e for e in (
        ("adam@localhost", "insert", 1, 0), ("adam@localhost", "update", 0, 0) if update else None,
        ("adam@localhost", "delete", 0, 1)) if e)
    assert one(root, "SELECT COUNT(*) FROM history WHERE connection = 0 OR at > NOW(6)") == 0
    gone = at(root)
    for time, expected in ((first, first_state), (second, second_state), (gone, ()), (second, second_state),
                           (first, first_state)):
        if expected == () and table in ("domain", "recipient"):
            run(root, f"UPDATE {table} SET source = NULL")
        run(admin, f"CALL restore_row('{table}', '{key}', '{time}')")
        assert rows(admin, select) == expected, time
    # a way back is a change like others
    assert one(root, "SELECT who FROM history ORDER BY id DESC LIMIT 1") == "adam@localhost"
    # before its first entry it was not there
    if table in ("domain", "recipient"):
        run(root, f"UPDATE {table} SET source = NULL")
    run(admin, f"CALL restore_row('{table}', '{key}', '{first}' - INTERVAL 1 MICROSECOND)")
    assert rows(admin, select) == ()
    names = json.loads(one(root, "SELECT new FROM history WHERE action = 'insert' AND table_name = %s ORDER BY id LIMIT 1", (table,)))
    columns = {name for (name,) in rows(root, "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
                                              " AND TABLE_NAME = %s AND IS_GENERATED = 'NEVER'", (table,))}
    assert set(names) == columns - {"updated_at", "updated_by"}, "every column is in the history"


def test_a_new_name_is_a_delete_and_an_insert(root, operator):
    run(operator, "INSERT INTO domain (name, note) VALUES ('a.example', 'n')", "UPDATE domain SET name = 'b.example'")
    assert rows(root, "SELECT row_key, action FROM history ORDER BY id") == (
        ("a.example", "insert"), ("a.example", "delete"), ("b.example", "insert"))
    run(operator, "CALL restore_row('domain', 'a.example', (SELECT MIN(at) FROM history))")
    assert rows(root, "SELECT name, note FROM domain ORDER BY name") == (("a.example", "n"), ("b.example", "n"))


def test_restore_goes_through_the_same_triggers(mariadb, root, operator):
    importer = mariadb.connect(IMPORTER)
    run(operator, "INSERT INTO domain (name) VALUES ('mine.example')")
    run(importer, "SET @lookupd_source = 'bind:ns2'", "INSERT INTO domain (name, route) VALUES ('z.example', 'relay:')")
    # undoing an importer's insert is deleting its row
    assert "which would bring it back" in refused(operator, "CALL restore_row('domain', 'z.example', NOW() - INTERVAL 1 HOUR)")
    first = at(root)
    run(importer, "UPDATE domain SET route = 'smtp:[10.0.0.1]' WHERE name = 'z.example'")
    run(operator, f"CALL restore_row('domain', 'z.example', '{first}')")
    assert one(root, "SELECT route, source FROM domain WHERE name = 'z.example'") == ("relay:", None)
    assert refused(operator, "CALL restore_row('domains', 'z.example', NOW())").startswith('table "domains" has no history')
    assert refused(operator, "CALL restore_row('domain', 'zz.example', NOW())") == (
        'history knows no change of "zz.example" in table domain: look there how the key is written')
    assert refused(operator, "CALL restore_row('domain', 'z.example', NULL)").startswith("the time is missing")
    # a source that is gone leaves its rows to people
    run(root, "INSERT INTO source (name, account) VALUES ('bind:old', 'old')", "INSERT INTO domain (name, source) VALUES ('old.example', 'bind:old')")
    first = at(root)
    run(root, "UPDATE domain SET source = NULL", "DELETE FROM domain WHERE name = 'old.example'", "DELETE FROM source WHERE name = 'bind:old'")
    run(operator, f"CALL restore_row('domain', 'old.example', '{first}')")
    assert one(root, "SELECT source FROM domain WHERE name = 'old.example'") is None
    # no right to a table, no way back for its rows
    run(root, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[a.example]')", "DELETE FROM relay")
    assert error_of(operator, "CALL restore_row('relay', 'hq', (SELECT MIN(at) FROM history WHERE table_name = 'relay'))")[0] == 1142
    assert rows(root, "SELECT * FROM relay") == ()


def test_tenants_relays_come_back(root, admin):
    """A user name with blanks, and an update, which is a change of the key."""
    run(root, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[a.example]'), ('lab', '[b.example]')")
    run(admin, "INSERT INTO relay_tenant (relay, tenant) VALUES ('hq', 'tina b')")
    first = at(root)
    run(admin, "UPDATE relay_tenant SET relay = 'lab'", f"CALL restore_row('relay_tenant', 'tina b hq', '{first}')",
        f"CALL restore_row('relay_tenant', 'tina b lab', '{first}')")
    assert rows(root, "SELECT tenant, relay FROM relay_tenant") == (("tina b", "hq"),)
    assert [row[0] for row in rows(root, "SELECT action FROM history WHERE table_name = 'relay_tenant' ORDER BY id")] == [
        "insert", "delete", "insert", "insert", "delete"]


def test_who_was_it(root, operator):
    run(operator, "INSERT INTO domain (name) VALUES ('a.example')", "UPDATE domain SET enabled = 0")
    found = rows(operator, "CALL row_history('domain', 'a.example')")
    assert [(row[2], row[3], json.loads(row[5] or "{}").get("enabled")) for row in found] == [
        ("olga@localhost", "insert", 1), ("olga@localhost", "update", 0)]


def test_history_is_not_rewritten(root, operator, admin):
    run(operator, "INSERT INTO domain (name) VALUES ('a.example')")
    assert refused(root, "UPDATE history SET who = 'nobody'").startswith("history is not rewritten")
    for connection in (operator, admin):
        for statement in ("UPDATE history SET who = 'x'", "DELETE FROM history",
                          "INSERT INTO history (who, connection, table_name, row_key, action) VALUES ('x', 1, 'x', 'x', 'insert')"):
            assert error_of(connection, statement)[0] == 1142
    assert error_of(operator, "CALL prune_history(1)")[0] == 1370
    # nor is it written by hand through the procedures behind it
    assert error_of(admin, "CALL record_change('domain', 'x', NULL, '{}')")[0] == 1370


def test_prune(root, admin):
    run(admin, "INSERT INTO domain (name) VALUES ('a.example'), ('b.example')", "UPDATE domain SET note = 'x' WHERE name = 'a.example'")
    run(root, "DROP TRIGGER history_before_update", "UPDATE history SET at = at - INTERVAL 500 DAY WHERE action = 'insert'",
        """CREATE DEFINER = lookupd_definer@localhost TRIGGER history_before_update BEFORE UPDATE ON history FOR EACH ROW
           CALL refuse('history is not rewritten: CALL prune_history(days) removes what is old')""")
    assert refused(admin, "CALL prune_history(0)") == "say how many days of history stay: at least 1"
    run(admin, "CALL prune_history(501)")
    assert one(root, "SELECT COUNT(*) FROM history") == 3
    run(admin, "CALL prune_history(400)")
    assert rows(root, "SELECT table_name, action FROM history ORDER BY id") == (("domain", "update"), ("history", "prune"))
    # what is left still gives back what the row was, and nobody guesses about what is gone
    run(admin, "CALL restore_row('domain', 'a.example', NOW() - INTERVAL 1 DAY)")
    assert one(root, "SELECT note FROM domain WHERE name = 'a.example'") is None
    for zone in ("+13:00", "-12:00", "SYSTEM"):
        run(admin, f"SET time_zone = '{zone}'")
        assert "was pruned" in refused(admin, "CALL restore_row('domain', 'a.example', NOW() - INTERVAL 600 MINUTE - INTERVAL 400 DAY)")
        run(admin, "CALL restore_row('domain', 'a.example', NOW() - INTERVAL 399 DAY)")


def test_the_event_prunes(mariadb, root):
    run(root, "INSERT INTO domain (name) VALUES ('a.example')", "DROP TRIGGER history_before_update",
        "UPDATE history SET at = at - INTERVAL 500 DAY",
        """CREATE DEFINER = lookupd_definer@localhost TRIGGER history_before_update BEFORE UPDATE ON history FOR EACH ROW
           CALL refuse('history is not rewritten: CALL prune_history(days) removes what is old')""",
        # soon, rather than at night
        "ALTER DEFINER = lookupd_definer@localhost EVENT prune_history_daily ON SCHEDULE EVERY 1 SECOND STARTS NOW()",
        "SET GLOBAL event_scheduler = ON")
    try:
        for _ in range(80):
            if one(root, "SELECT COUNT(*) FROM history WHERE action = 'insert'") == 0:
                break
            run(root, "DO SLEEP(0.05)")
        assert one(root, "SELECT COUNT(*) FROM history WHERE action = 'insert'") == 0
    finally:
        run(root, "SET GLOBAL event_scheduler = OFF",
            "ALTER DEFINER = lookupd_definer@localhost EVENT prune_history_daily ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:17:00'")


def call(connection, domain, names):
    """replace_recipients: (added, enabled again, removed, hint)"""
    added, again, removed, _, hint = one(connection, "CALL replace_recipients(%s, %s)", (domain, json.dumps(names)))
    return added, again, removed, hint


def test_replace_one_domains_recipients(mariadb, root, operator):
    importer = mariadb.connect(IMPORTER)
    run(operator, "INSERT INTO domain (name, recipients) VALUES ('a.example', 'listed'), ('any.example', 'any')",
        "INSERT INTO recipient (address, route, note) VALUES ('stays@a.example', 'hold:', 'n'), ('goes@a.example', NULL, NULL)",
        "INSERT INTO recipient (address, enabled) VALUES ('off@a.example', 0)", "INSERT INTO recipient (address) VALUES ('x@other.example')")
    run(importer, "SET @lookupd_source = 'bind:ns2'", "INSERT INTO recipient (address) VALUES ('imported@a.example')")
    last = one(root, "SELECT MAX(id) FROM history")
    assert call(operator, "A.example", ["stays", "Off@a.example", "New", "new@A.Example", "weiß"]) == (2, 1, 1, "")
    assert rows(root, "SELECT address, route, enabled, note FROM recipient ORDER BY address") == (
        ("imported@a.example", None, 1, None), ("new@a.example", None, 1, None), ("off@a.example", None, 1, None),
        ("stays@a.example", "hold:", 1, "n"), ("weiss@a.example", None, 1, None), ("x@other.example", None, 1, None))
    assert rows(root, "SELECT row_key, action FROM history WHERE id > %s ORDER BY row_key", (last,)) == (
        ("goes@a.example", "delete"), ("new@a.example", "insert"), ("off@a.example", "update"), ("weiss@a.example", "insert"))
    assert call(operator, "a.example", ["stays", "off", "new", "weiß"]) == (0, 0, 0, "")
    assert "recipients = 'listed'" in call(operator, "any.example", ["a"])[3]
    before = rows(root, "SELECT address FROM recipient ORDER BY address")
    for names, text in (
            ([], "an empty list would refuse all mail for a.example; if that is meant: DELETE FROM recipient WHERE domain = 'a.example'"),
            (["ok", "no one@a.example"], 'has a blank'), (["ok", "x@b.example"], '"x@b.example" does not belong to a.example'),
            ({"a": 1}, "the second argument is a JSON list"), (["ok", None], "no text")):
        assert text in refused(operator, "CALL replace_recipients('a.example', %s)", (json.dumps(names),)), names
    assert "JSON list" in refused(operator, "CALL replace_recipients('a.example', 'info, sales')")
    assert "JSON list" in refused(operator, "CALL replace_recipients('a.example', NULL)")
    assert "leading dot" in refused(operator, "CALL replace_recipients('.a.example', '[\"a\"]')")
    assert rows(root, "SELECT address FROM recipient ORDER BY address") == before
    # within a transaction of the caller's it is part of that
    run(operator, "START TRANSACTION")
    call(operator, "a.example", ["only"])
    assert "does not belong" in refused(operator, "CALL replace_recipients('a.example', '[\"x@b.example\"]')")
    assert one(operator, "SELECT @@in_transaction") == 1
    assert one(operator, "SELECT COUNT(*) FROM recipient WHERE domain = 'a.example'") == 2
    run(operator, "ROLLBACK")
    assert rows(root, "SELECT address FROM recipient ORDER BY address") == before
    # a list as large as a large customer's
    many = [f"user{n}" for n in range(5000)]
    assert call(operator, "a.example", many)[0] == 5000
    assert call(operator, "a.example", many)[:3] == (0, 0, 0)


def test_the_time_is_not_the_sessions(root, operator):
    """Who may SET timestamp can neither hide behind the pruning nor change what restore_row finds."""
    run(root, "INSERT INTO domain (name) VALUES ('a.example'), ('z.example')", "UPDATE domain SET source = 'bind:ns2' WHERE name = 'z.example'")
    before = one(root, "SELECT MAX(at) FROM history")
    run(operator, "SET timestamp = 1000000000", "UPDATE domain SET note = 'x'", "INSERT INTO domain (name) VALUES ('b.example')",
        "INSERT INTO recipient (address) VALUES ('b@b.example')", "DELETE FROM recipient", "DELETE FROM domain WHERE name = 'b.example'")
    assert one(root, "SELECT COUNT(*), MIN(at) > %s, MAX(at) <= NOW(6) FROM history WHERE who LIKE 'olga%%'", (before,)) == (6, 1, 1)


def test_a_change_that_waited_comes_after_what_it_waited_for(mariadb, root, operator):
    """restore_row goes by the time: each entry has that of its row's change, not of its statement's begin."""
    run(root, "INSERT INTO domain (name) VALUES ('a.example')")
    run(operator, "START TRANSACTION", "UPDATE domain SET note = 'first'")
    waiting = mariadb.connect(ADMIN)
    thread = threading.Thread(target=run, args=(waiting, "UPDATE domain SET note = 'third'"))
    thread.start()
    try:
        # the server makes this view anew once in 0.1 s, and not while it is read more often
        wait_until(lambda: rows(root, "SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"), 30, 0.15)
        run(operator, "UPDATE domain SET note = 'second'", "COMMIT")
    finally:
        operator.rollback()
        thread.join(60)
    assert one(root, "SELECT note FROM domain") == "third"
    assert rows(root, "SELECT JSON_VALUE(new, '$.note') FROM history WHERE action = 'update' ORDER BY at") == (("first",), ("second",), ("third",))
    run(root, "CALL restore_row('domain', 'a.example', NOW(6))")
    assert one(root, "SELECT note FROM domain") == "third"
