"""Who owns a row, and the fence around an importer's account, each as the account it is about."""

import pytest

from sql import IMPORTER, error_of, fresh, one, refused, rows, run

pytest_plugins = ("sql_fixtures",)

NS2 = "SET @lookupd_source = 'bind:ns2'"


@pytest.fixture
def database(mariadb):
    return mariadb


@pytest.fixture
def root(database):
    connection = fresh(database)
    run(connection, "INSERT INTO source (name, account) VALUES ('bind:ns1', 'importer_ns1'), ('bind:ns2b', 'importer_ns2')",
        "INSERT INTO relay (name, nexthop) VALUES ('hq', '[mail.example.net]:25'), ('lab', '[10.0.0.7]:2525')",
        "CREATE USER IF NOT EXISTS importer_ns1@localhost", "GRANT lookupd_importer TO importer_ns1@localhost",
        "SET DEFAULT ROLE lookupd_importer FOR importer_ns1@localhost")
    yield connection
    connection.close()


@pytest.fixture
def importer(database, root):
    connection = database.connect(IMPORTER)
    run(connection, NS2)
    yield connection
    connection.close()


def state(connection, name="z.example"):
    return one(connection, "SELECT relay, route, recipients, enabled, owner, note, source FROM domain WHERE name = %s", (name,))


def test_an_importer_must_say_for_whom(database, root):
    connection = database.connect(IMPORTER)
    insert = "INSERT INTO domain (name, route) VALUES ('z.example', 'relay:')"
    unsaid = "account importer_ns2 acts for a source: say for which, as in SET @lookupd_source = 'bind:ns2'"
    assert refused(connection, insert) == unsaid
    run(connection, "SET @lookupd_source = 'bind:ns1'")
    assert refused(connection, insert) == (
        'account importer_ns2 may not act for the source "bind:ns1" (@lookupd_source): see the table source')
    run(connection, "SET @lookupd_source = 7")
    assert "may not act for the source" in refused(connection, insert)
    run(connection, "SET @lookupd_source = 'bind:ns2b'", insert)
    assert state(root)[-1] == "bind:ns2b"
    run(connection, "SET @lookupd_source = NULL")
    for statement in ("UPDATE domain SET route = NULL", "DELETE FROM domain",
                      "INSERT INTO recipient (address) VALUES ('a@z.example')",
                      "INSERT INTO import_claim (source, name) VALUES ('bind:ns2', 'z.example')",
                      "INSERT INTO import_run (source) VALUES ('bind:ns2')"):
        assert refused(connection, statement) == unsaid


def test_an_importer_writes_its_own_rows_only(root, importer, operator):
    run(operator, "INSERT INTO domain (name, route) VALUES ('people.example', 'relay:')",
        "INSERT INTO domain (name, source) VALUES ('ns1.example', 'bind:ns1'), ('ns2b.example', 'bind:ns2b')",
        "INSERT INTO recipient (address) VALUES ('a@people.example')",
        "INSERT INTO recipient (address, source) VALUES ('a@ns1.example', 'bind:ns1')")
    assert refused(importer, "INSERT INTO domain (name, source) VALUES ('z.example', 'bind:ns1')") == (
        'this session acts for bind:ns2 and may not make rows of "bind:ns1"')
    assert refused(importer, "INSERT INTO recipient (address, source) VALUES ('z@z.example', 'bind:ns1')") == (
        'this session acts for bind:ns2 and may not make rows of "bind:ns1"')
    # another source of the same account is another importer
    for name, of in (("people.example", "people"), ("ns1.example", "bind:ns1"), ("ns2b.example", "bind:ns2b")):
        assert refused(importer, "UPDATE domain SET route = 'hold:' WHERE name = %s", (name,)) == (
            f'"{name}" belongs to {of}: bind:ns2 may not change it')
        assert refused(importer, "UPDATE domain SET source = 'bind:ns2' WHERE name = %s", (name,)) == (
            f'"{name}" belongs to {of}: bind:ns2 may not change it')
        assert refused(importer, "DELETE FROM domain WHERE name = %s", (name,)) == (
            f'"{name}" belongs to {of}: bind:ns2 may not delete it')
    for name, of in (("a@people.example", "people"), ("a@ns1.example", "bind:ns1")):
        assert refused(importer, "UPDATE recipient SET route = 'hold:' WHERE address = %s", (name,)) == (
            f'"{name}" belongs to {of}: bind:ns2 may not change it')
        assert refused(importer, "DELETE FROM recipient WHERE address = %s", (name,)) == (
            f'"{name}" belongs to {of}: bind:ns2 may not delete it')
    run(importer, "INSERT INTO domain (name, route, recipients) VALUES ('z.example', 'relay:', 'listed')",
        "UPDATE domain SET route = 'smtp:[10.0.0.1]', relay = 'hq' WHERE name = 'z.example'",
        "INSERT INTO recipient (address, source) VALUES ('a@z.example', 'bind:ns2')",
        "UPDATE recipient SET route = 'hold:' WHERE address = 'a@z.example'",
        "DELETE FROM recipient WHERE address = 'a@z.example'")
    assert state(root) == ("hq", "smtp:[10.0.0.1]", "listed", 1, None, None, "bind:ns2")
    run(importer, "DELETE FROM domain WHERE name = 'z.example'")
    # the others are as they were
    assert rows(root, "SELECT name, route FROM domain ORDER BY name") == (
        ("ns1.example", None), ("ns2b.example", None), ("people.example", "relay:"))


def test_what_is_peoples_no_importer_writes(database, root, operator):
    """The role has no right to those columns; the triggers hold also where an account has more."""
    by_role = database.connect(IMPORTER)
    run(by_role, NS2, "INSERT INTO domain (name) VALUES ('z.example')", "INSERT INTO recipient (address) VALUES ('a@z.example')")
    for column, value in (("enabled", "0"), ("note", "'x'"), ("owner", "'x'"), ("recipients", "'listed'")):
        assert error_of(by_role, f"UPDATE domain SET {column} = {value}")[0] == 1143
    assert error_of(by_role, "UPDATE recipient SET enabled = 0")[0] == 1143
    assert error_of(by_role, "UPDATE import_claim SET kept_enabled = 0")[0] == 1143
    assert error_of(by_role, "INSERT INTO import_claim (source, name, kept_note) VALUES ('bind:ns2', 'k.example', 'x')")[0] == 1143
    run(root, "GRANT ALL ON lookupd.* TO importer_ns2@localhost")
    try:
        strong = database.connect(IMPORTER)
        run(strong, NS2)
        for column, value in (("enabled", "0"), ("note", "'x'"), ("owner", "'x'"), ("recipients", "'listed'")):
            assert refused(strong, f"UPDATE domain SET {column} = {value}") == (
                "enabled, owner, note and recipients are people's: an importer does not change them")
        for column, value in (("enabled", "0"), ("note", "'x'")):
            assert refused(strong, f"UPDATE recipient SET {column} = {value}") == (
                "enabled and note are people's: an importer does not change them")
            assert refused(strong, f"INSERT INTO recipient (address, {column}) VALUES ('b@z.example', {value})") == (
                "enabled and note are people's: an importer does not write them")
        for column, value in (("enabled", "0"), ("note", "'x'"), ("owner", "'x'")):
            assert refused(strong, f"INSERT INTO domain (name, {column}) VALUES ('y.example', {value})") == (
                "enabled, owner and note are people's: an importer does not write them")
        assert refused(strong, "UPDATE recipient SET source = NULL") == (
            "this session acts for bind:ns2 and may not give its rows to others")
        # and no other table at all
        for statement, text in (
                ("INSERT INTO relay (name, nexthop) VALUES ('x', '[x]')", "relays"),
                ("UPDATE relay SET enabled = 0", "relays"), ("DELETE FROM relay", "relays"),
                ("INSERT INTO relay_tenant VALUES ('hq', 'x')", "relays"),
                ("INSERT INTO source (name, account) VALUES ('x', 'importer_ns2')", "sources"),
                ("UPDATE source SET account = 'x'", "sources"), ("DELETE FROM source", "sources"),
                ("INSERT INTO alias (address, goto) VALUES ('a@z.example', 'b@z.example')", "aliases"),
                ("INSERT INTO access (map, pattern, action) VALUES ('client', '1', 'OK')", "access rules")):
            assert refused(strong, statement) == f"{text} belong to people: an importer's account may not change them"
        run(operator, "INSERT INTO alias (address, goto) VALUES ('a@z.example', 'b@z.example')",
            "INSERT INTO access (map, pattern, action) VALUES ('client', '1', 'OK')")
        run(root, "INSERT INTO relay_tenant VALUES ('hq', 'tina')")
        for table in ("alias", "access", "relay_tenant"):
            assert "belong to people" in refused(strong, f"DELETE FROM {table}")
        assert "belong to people" in refused(strong, "UPDATE alias SET enabled = 0")
        assert "belong to people" in refused(strong, "UPDATE access SET enabled = 0")
        assert "belong to people" in refused(strong, "UPDATE relay_tenant SET tenant = 'x'")
    finally:
        run(root, "REVOKE ALL ON lookupd.* FROM importer_ns2@localhost")


def test_a_person_takes_a_row(root, importer, operator):
    """relay, route or name changed by a person: the row is the person's. The rest is people's anyway."""
    def fresh():
        run(root, "DELETE FROM import_claim", "UPDATE domain SET source = NULL", "DELETE FROM domain")
        run(importer, "INSERT INTO domain (name, route) VALUES ('z.example', 'relay:')")
    fresh()
    run(operator, "UPDATE domain SET enabled = 0, note = 'x', owner = 'tina', recipients = 'listed'")
    assert state(root) == (None, "relay:", "listed", 0, "tina", "x", "bind:ns2")
    run(operator, "UPDATE domain SET route = 'smtp:[10.0.0.1]'")
    assert state(root)[1:] == ("smtp:[10.0.0.1]", "listed", 0, "tina", "x", None)
    assert refused(importer, "UPDATE domain SET route = 'relay:'").endswith("belongs to people: bind:ns2 may not change it")
    fresh()
    run(operator, "UPDATE domain SET route = NULL")
    assert state(root)[-1] is None
    fresh()
    run(operator, "UPDATE domain SET name = 'y.example'")
    assert state(root, "y.example")[-1] is None
    fresh()
    # a relay chosen by a person is used: the importer's route, which would win over it, goes
    run(operator, "UPDATE domain SET relay = 'hq'")
    assert state(root)[:2] == ("hq", None) and state(root)[-1] is None
    assert one(root, "SELECT answer FROM effective_route") == "relay:[mail.example.net]:25"
    # a route of a person's own stays
    run(operator, "UPDATE domain SET route = 'hold:'", "UPDATE domain SET relay = 'lab'")
    assert state(root)[:2] == ("lab", "hold:")
    # and back
    run(operator, "UPDATE domain SET source = 'bind:ns2'")
    assert state(root)[-1] == "bind:ns2"
    run(importer, "UPDATE domain SET route = 'relay:', relay = NULL")
    assert state(root)[:2] == (None, "relay:")
    # an update to what it is changes nothing, also not the owner
    run(operator, "UPDATE domain SET route = 'relay:', relay = NULL, name = 'z.example'")
    assert state(root)[-1] == "bind:ns2"
    run(importer, "INSERT INTO recipient (address) VALUES ('a@z.example')")
    run(operator, "UPDATE recipient SET note = 'x'")
    assert one(root, "SELECT source FROM recipient") == "bind:ns2"
    run(operator, "UPDATE recipient SET route = 'hold:'")
    assert one(root, "SELECT source FROM recipient") is None
    run(operator, "UPDATE recipient SET source = 'bind:ns2'", "UPDATE recipient SET address = 'b@z.example'")
    assert one(root, "SELECT source FROM recipient") is None


def test_a_person_does_not_delete_imported_rows(root, importer, operator):
    run(importer, "INSERT INTO domain (name) VALUES ('z.example')", "INSERT INTO recipient (address) VALUES ('a@z.example')")
    text = ('"z.example" belongs to bind:ns2, which would bring it back. To refuse its mail: '
            "UPDATE domain SET enabled = 0 WHERE name = 'z.example'")
    assert refused(operator, "DELETE FROM domain") == text
    assert refused(operator, "REPLACE INTO domain (name) VALUES ('z.example')") == text
    assert refused(operator, "DELETE FROM recipient") == (
        '"a@z.example" belongs to bind:ns2, which would bring it back. To refuse its mail: '
        "UPDATE recipient SET enabled = 0 WHERE address = 'a@z.example'")
    assert one(root, "SELECT COUNT(*) FROM domain") == 1
    # a source that is retired: its rows become people's, then they may go
    assert "still has rows" in refused(root, "DELETE FROM source WHERE name = 'bind:ns2'")
    run(operator, "UPDATE domain SET source = NULL", "UPDATE recipient SET source = NULL", "DELETE FROM domain", "DELETE FROM recipient")
    run(importer, "INSERT INTO import_run (source) VALUES ('bind:ns2')")
    assert "still has claims or runs" in refused(root, "DELETE FROM source WHERE name = 'bind:ns2'")
    run(root, "DELETE FROM import_run", "DELETE FROM source WHERE name = 'bind:ns2'")


def test_what_people_set_comes_back(root, importer, operator):
    run(importer, "INSERT INTO domain (name, route) VALUES ('z.example', 'relay:')")
    run(operator, "UPDATE domain SET enabled = 0, note = 'unpaid', owner = 'tina', recipients = 'listed'")
    run(importer, "INSERT INTO import_claim (source, name, route, last_seen) VALUES ('bind:ns2', 'z.example', 'relay:', NOW())",
        "DELETE FROM domain")
    assert one(root, "SELECT gone_since IS NOT NULL, kept_enabled, kept_recipients, kept_owner, kept_note, kept_at IS NOT NULL"
                     " FROM import_claim") == (1, 0, "listed", "tina", "unpaid", 1)
    assert refused(importer, "DELETE FROM import_claim") == (
        'the claim of "z.example" keeps what people had set on its row: an importer does not delete it')
    run(importer, "UPDATE import_claim SET gone_since = NULL", "INSERT INTO domain (name, route) VALUES ('z.example', 'relay:')")
    assert state(root) == (None, "relay:", "listed", 0, "tina", "unpaid", "bind:ns2")
    # the last word counts
    run(operator, "UPDATE domain SET enabled = 1, note = NULL, owner = NULL, recipients = 'any'")
    run(importer, "DELETE FROM domain", "INSERT INTO domain (name, recipients) VALUES ('z.example', 'listed')")
    assert state(root) == (None, None, "any", 1, None, None, "bind:ns2")
    # without a claim one is made; and another source's importer minds it too
    run(operator, "UPDATE domain SET enabled = 0")
    run(root, "DELETE FROM import_claim")
    run(importer, "DELETE FROM domain", "SET @lookupd_source = 'bind:ns2b'", "INSERT INTO domain (name) VALUES ('z.example')")
    assert state(root)[3] == 0 and state(root)[-1] == "bind:ns2b"
    # of what two sources' claims keep, the later one counts
    run(operator, "UPDATE domain SET enabled = 1")
    run(importer, "DELETE FROM domain", NS2, "INSERT INTO domain (name) VALUES ('z.example')")
    assert one(root, "SELECT GROUP_CONCAT(kept_enabled ORDER BY kept_at) FROM import_claim") == "0,1"
    assert state(root)[3] == 1 and state(root)[-1] == "bind:ns2"
    run(importer, NS2, "INSERT INTO recipient (address) VALUES ('a@z.example'), ('b@z.example')")
    run(operator, "UPDATE recipient SET enabled = 0, note = 'left' WHERE address = 'a@z.example'")
    run(importer, "DELETE FROM recipient", "INSERT INTO recipient (address) VALUES ('a@z.example'), ('b@z.example')")
    assert rows(root, "SELECT address, enabled, note FROM recipient ORDER BY address") == (
        ("a@z.example", 0, "left"), ("b@z.example", 1, None))
    # an insert that ends in an error loses nothing of it
    run(importer, "DELETE FROM recipient WHERE address = 'a@z.example'")
    assert error_of(importer, "INSERT INTO recipient (address) VALUES ('a@z.example'), ('b@z.example')")[0] == 1062
    run(importer, "INSERT INTO recipient (address) VALUES ('a@z.example')")
    assert one(root, "SELECT note FROM recipient WHERE address = 'a@z.example'") == "left"


def test_a_row_passes_to_a_source_that_claims_it(database, root, importer, operator):
    other = database.connect("importer_ns1")
    run(other, "SET @lookupd_source = 'bind:ns1'",
        "INSERT INTO import_claim (source, name, route, last_seen) VALUES ('bind:ns1', 'Z.example.', 'smtp:[10.0.0.1]', NOW())")
    run(importer, "INSERT INTO domain (name, route) VALUES ('z.example', 'relay:')")
    run(operator, "UPDATE domain SET note = 'x'")
    assert refused(importer, "DELETE FROM domain") == (
        "\"z.example\" is still claimed by bind:ns1: pass it on with UPDATE domain SET source = 'bind:ns1'")
    assert refused(importer, "UPDATE domain SET source = 'bind:ns2b'") == (
        '"z.example" is not claimed by "bind:ns2b": it cannot pass to it')
    assert "does not give rows to people" in refused(importer, "UPDATE domain SET source = NULL")
    run(importer, "UPDATE domain SET source = 'bind:ns1'")
    assert state(root) == (None, "smtp:[10.0.0.1]", "any", 1, None, "x", "bind:ns1")
    # by a relay too, when there is one of that name; else mail goes as before
    for relay, way in (("LAB", ("lab", None)), ("none", ("hq", None))):
        run(other, "DELETE FROM domain", f"UPDATE import_claim SET relay = '{relay}', route = NULL, gone_since = NULL")
        run(importer, "INSERT INTO domain (name, relay) VALUES ('z.example', 'hq')", "UPDATE domain SET source = 'bind:ns1'")
        assert one(root, "SELECT relay, route, source FROM domain") == (*way, "bind:ns1")
    # claims are each importer's own
    assert refused(importer, "UPDATE import_claim SET route = NULL") == (
        "this session acts for bind:ns2 and may not change claims of others")
    assert refused(importer, "DELETE FROM import_claim") == "this session acts for bind:ns2 and may not delete claims of others"
    assert refused(importer, "INSERT INTO import_claim (source, name) VALUES ('bind:ns1', 'y.example')") == (
        'this session acts for bind:ns2 and may not claim for "bind:ns1"')
    assert error_of(other, "UPDATE import_claim SET name = 'y.example'")[0] == 1143
    assert '"*.z.example"' in refused(other, "INSERT INTO import_claim (source, name) VALUES ('bind:ns1', '*.z.example')")
    assert "two" not in refused(other, "UPDATE import_claim SET route = '[10.0.0.1]'")
    run(other, "UPDATE import_claim SET gone_since = NOW()", "DELETE FROM domain")
    assert rows(root, "SELECT name FROM domain") == ()


def test_runs(root, importer, operator):
    run(importer, "INSERT INTO import_run (source) VALUES ('bind:ns2')",
        "UPDATE import_run SET finished = NOW(6), outcome = 'done', zones = 3")
    run(root, "INSERT INTO import_run (source) VALUES ('bind:ns1')")
    where = " WHERE source = 'bind:ns1'"
    assert refused(importer, "INSERT INTO import_run (source) VALUES ('bind:ns1')") == (
        'this session acts for bind:ns2 and may not write runs of "bind:ns1"')
    assert refused(importer, "UPDATE import_run SET zones = 0" + where) == "this session acts for bind:ns2 and may not change runs of others"
    assert refused(importer, "UPDATE import_run SET source = 'bind:ns1'") == "this session acts for bind:ns2 and may not change runs of others"
    assert refused(importer, "DELETE FROM import_run" + where) == "this session acts for bind:ns2 and may not delete runs of others"
    run(importer, "DELETE FROM import_run WHERE source = 'bind:ns2'")


def test_everybody_else_is_a_person(database, root, operator):
    """@lookupd_source makes nobody an importer; a user name with @ in it is taken whole."""
    run(operator, NS2, "INSERT INTO domain (name, note) VALUES ('z.example', 'mine')")
    assert state(root)[-1] is None
    run(root, "CREATE OR REPLACE USER `importer_ns2@corp`@localhost", "GRANT lookupd_operator TO `importer_ns2@corp`@localhost",
        "SET DEFAULT ROLE lookupd_operator FOR `importer_ns2@corp`@localhost")
    similar = database.connect("importer_ns2@corp")
    run(similar, "UPDATE domain SET note = 'also a person'")
    assert one(root, "SELECT updated_by FROM domain") == "importer_ns2@corp@localhost"


def test_an_importer_does_not_rename(database, root, importer, operator):
    """What people set would be under another name, and the old one be inserted without it."""
    run(importer, "INSERT INTO domain (name, route) VALUES ('z.example', 'relay:')", "INSERT INTO recipient (address) VALUES ('a@z.example')")
    run(operator, "UPDATE domain SET enabled = 0", "UPDATE recipient SET enabled = 0")
    assert refused(importer, "UPDATE domain SET name = 'y.example'") == (
        'an importer does not rename a row: what people set on it is about "z.example"; it deletes it, and inserts the other')
    assert refused(importer, "UPDATE recipient SET address = 'b@z.example'") == (
        'an importer does not rename a row: what people set on it is about "a@z.example"; it deletes it, and inserts the other')
    run(importer, "UPDATE domain SET name = 'Z.Example.'", "UPDATE recipient SET address = 'A@z.example'")
    assert rows(root, "SELECT name, enabled FROM domain UNION ALL SELECT address, enabled FROM recipient") == (
        ("z.example", 0), ("a@z.example", 0))


@pytest.mark.parametrize("end", ["DELETE FROM {0} WHERE {1} LIKE '%z.example'",
                                 "UPDATE {0} SET {1} = REPLACE({1}, 'z.example', 'y.example')"])
@pytest.mark.parametrize("table,column,key", [("domain", "name", "z.example"), ("recipient", "address", "a@z.example")])
def test_what_was_kept_comes_back_once(database, root, importer, operator, table, column, key, end):
    """What came back with the row and was changed there since is not what people last said."""
    insert = f"INSERT INTO {table} ({column}) VALUES ('{key}')"
    run(importer, insert)
    run(operator, f"UPDATE {table} SET enabled = 0, note = 'unpaid'")
    run(importer, f"DELETE FROM {table}")
    # a row of people's beside it: nothing of it came back, and it is still kept
    run(operator, insert, end.format(table, column))
    assert one(root, "SELECT kept_enabled, kept_note FROM import_claim") == (0, "unpaid")
    run(importer, insert)
    assert one(root, f"SELECT enabled, note FROM {table} WHERE source IS NOT NULL") == (0, "unpaid")
    run(operator, f"DELETE FROM {table} WHERE source IS NULL",
        f"UPDATE {table} SET enabled = 1, note = NULL, route = 'hold:'", end.format(table, column))
    assert one(root, "SELECT kept_enabled, kept_note, kept_at FROM import_claim") == (None, None, None)
    run(importer, insert)
    assert one(root, f"SELECT enabled, note FROM {table} WHERE source IS NOT NULL") == (1, None)


def test_an_account_with_a_blank_is_refused(root):
    """It would be nobody's, and the importer that is meant a person."""
    for account in ("importer_ns2 ", " importer_ns2", "importer_ns2\r"):
        for statement in ("UPDATE source SET account = %s", "INSERT INTO source (name, account) VALUES ('x', %s)"):
            assert refused(root, statement, (account,)).endswith("no account would be meant, and the fence would be open")
