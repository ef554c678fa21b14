"""What people may type wrong, and what they are told: the tables refused.tsv and routes.tsv, run as
the operator or administrator who would type it. Then the second wall: the constraints alone."""

import json
import os
import unicodedata

import pytest

from sql import ADMIN, CONSTRAINT, OPERATOR, error_of, fresh, one, refused, rows, run

HERE = os.path.dirname(os.path.abspath(__file__))

# Who types it, and the statement. source has no default account that is nobody's.
STATEMENTS = {
    "domain": (OPERATOR, "INSERT INTO domain (name) VALUES (%s)"),
    "recipient": (OPERATOR, "INSERT INTO recipient (address) VALUES (%s)"),
    "alias": (OPERATOR, "INSERT INTO alias (address, goto) VALUES (%s, 'a@example.net')"),
    "goto": (OPERATOR, "INSERT INTO alias (address, goto) VALUES ('g@example.com', %s)"),
    "access": (OPERATOR, "INSERT INTO access (map, pattern, action) VALUES (%s, %s, 'OK')"),
    "action": (OPERATOR, "INSERT INTO access (map, pattern, action) VALUES ('client', '192.0.2.1', %s)"),
    "relay": (ADMIN, "INSERT INTO relay (name, transport, nexthop) VALUES (%s, %s, %s)"),
    "source": (ADMIN, "INSERT INTO source (name, account) VALUES (%s, %s)"),
}


def table(name):
    with open(os.path.join(HERE, name), encoding="utf-8", newline="\n") as file:
        lines = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    assert len(lines) > 90
    return lines


@pytest.fixture
def database(mariadb):
    return mariadb


@pytest.fixture
def root(database):
    connection = fresh(database)
    yield connection
    connection.close()


def differences(cases):
    """cases: (what, expected text or '', got). One line for each that differs."""
    return "\n".join(f"{what}\n  expected: {want or 'accepted'}\n  got:      {got or 'accepted'}"
                     for what, want, got in cases if want != got)


def test_what_is_typed(database, root):
    people = {name: database.connect(name, autocommit=False) for name in (OPERATOR, ADMIN)}
    cases = []
    for kind, typed, *text in table("refused.tsv"):
        who, statement = STATEMENTS[kind]
        number, got = error_of(people[who], statement, json.loads(typed))
        assert number in (0, 1644), (kind, typed, number, got)
        people[who].rollback()
        cases.append((f"{kind} {typed}", text[0] if text else "", got))
    assert differences(cases) == ""


def test_the_same_when_changed(database, root):
    """An UPDATE to what an INSERT refuses ends with the same text."""
    run(root, "INSERT INTO domain (name) VALUES ('old.example')",
        "INSERT INTO recipient (address) VALUES ('old@old.example')",
        "INSERT INTO alias (address, goto) VALUES ('old@old.example', 'x@old.example')",
        "INSERT INTO access (map, pattern, action) VALUES ('client', 'old', 'OK')",
        "INSERT INTO relay (name, nexthop) VALUES ('old', '[old.example]')",
        "INSERT INTO source (name, account) VALUES ('old', 'nobody')")
    updates = {
        "domain": "UPDATE domain SET name = %s",
        "recipient": "UPDATE recipient SET address = %s",
        "alias": "UPDATE alias SET address = %s",
        "goto": "UPDATE alias SET goto = %s",
        "access": "UPDATE access SET map = %s, pattern = %s",
        "action": "UPDATE access SET action = %s",
        "relay": "UPDATE relay SET name = %s, transport = %s, nexthop = %s",
        "source": "UPDATE source SET name = %s, account = %s WHERE name = 'old'",
    }
    people = {name: database.connect(name, autocommit=False) for name in (OPERATOR, ADMIN)}
    cases = []
    for kind, typed, *text in table("refused.tsv"):
        who = STATEMENTS[kind][0]
        _, got = error_of(people[who], updates[kind], json.loads(typed))
        people[who].rollback()
        cases.append((f"{kind} {typed}", text[0] if text else "", got))
    assert differences(cases) == ""


def test_routes(database, root):
    """In all three places where a route may stand."""
    run(root, "INSERT INTO domain (name) VALUES ('there.example')")
    operator = database.connect(OPERATOR, autocommit=False)
    cases = []
    for verdict, route, *text in table("routes.tsv"):
        # an empty one means NULL in a column: what forms of graphical tools write
        want = "" if verdict == "good" or route == "" else text[0]
        for statement in ("INSERT INTO domain (name, route) VALUES ('a.example', %s)",
                          "INSERT INTO recipient (address, route) VALUES ('a@a.example', %s)",
                          "UPDATE domain SET route = %s WHERE name = 'there.example'"):
            _, got = error_of(operator, statement, (route,))
            cases.append((f"{statement} {route}", want, got))
            operator.rollback()
        assert (one(root, "SELECT route_error(%s)", (route,)) or "") == ("" if verdict == "good" else text[0])
    assert differences(cases) == ""


def test_stored_as_it_is_asked(root):
    """Folded where the server folds: case, one trailing dot, sharp s, final sigma."""
    run(root, "INSERT INTO domain (name) VALUES ('Example.COM.'), ('.Sub.Example.Com')",
        "INSERT INTO recipient (address) VALUES ('Straße+Ext@Example.COM.'), ('ΣΊΣΥΦΟΣ@example.com'), ('MÜLLER@example.com')",
        "INSERT INTO alias (address, goto) VALUES ('@Example.COM', '@Example.NET')",
        "INSERT INTO access (map, pattern, action) VALUES ('client', '2001:DB8::A', 'OK')",
        "INSERT INTO access (map, pattern, action) VALUES ('sender', 'Weiß@', 'OK')",
        "INSERT INTO relay (name, nexthop) VALUES ('HQ', '[mail.example.net]')",
        "INSERT INTO domain (name, relay, route, owner, note) VALUES ('third.example', 'HQ', '', '', '')")
    assert rows(root, "SELECT name FROM domain ORDER BY name") == (
        (".sub.example.com",), ("example.com",), ("third.example",))
    assert rows(root, "SELECT address, domain FROM recipient ORDER BY address") == (
        ("müller@example.com", "example.com"), ("strasse+ext@example.com", "example.com"),
        ("σίσυφοσ@example.com", "example.com"))
    assert rows(root, "SELECT address, goto FROM alias") == (("@example.com", "@Example.NET"),)
    assert rows(root, "SELECT pattern FROM access ORDER BY pattern") == (("2001:db8::a",), ("weiss@",))
    assert one(root, "SELECT relay, route, owner, note FROM domain WHERE name = 'third.example'") == ("hq", None, None, None)
    # the other spelling is the same row
    assert error_of(root, "INSERT INTO domain (name) VALUES ('EXAMPLE.com')")[0] == 1062


def test_folding_of_every_letter(root):
    """What is stored is what the server asks for: Unicode's full case folding, or it is refused."""
    letters = [chr(c) for c in range(0x80, 0x110000)
               if not 0xD800 <= c <= 0xDFFF and unicodedata.category(chr(c)) not in ("Cc", "Cn", "Co")]
    odd = []
    for at in range(0, len(letters), 1000):
        batch = letters[at:at + 1000]
        folded = one(root, "SELECT local_fold(%s)", ("|".join(batch),)).split("|")
        odd += [letter for letter, got in zip(batch, folded) if got != letter.casefold()]
    assert 500 < len(odd) < 1500
    found = []
    for at in range(0, len(odd), 200):
        batch = odd[at:at + 200]
        found += one(root, "SELECT " + ", ".join(["local_fold_error(%s)"] * len(batch)), batch) \
            if len(batch) > 1 else (one(root, "SELECT local_fold_error(%s)", batch),)
    assert [letter for letter, text in zip(odd, found) if text is None] == []
    # and no ordinary letter is refused
    ordinary = "äöüéèñçøåæœþðłžčřšđğışßÄÖÜÉŁŽΑΒΓάέήίςσЖжЯяїґאבגدین中文ひらがな한국어ไทย"
    for letter in ordinary:
        assert one(root, "SELECT local_fold_error(%s)", (letter,)) is None, letter


def test_texts_that_do_not_fit(root):
    """Longer than a column: an error with the column's name; and no client can have it cut."""
    assert error_of(root, "INSERT INTO domain (name) VALUES (%s)", ("a." * 200 + "example",)) == (
        1406, "Data too long for column 'name' at row 1")
    run(root, "SET SESSION sql_mode = ''")
    assert refused(root, "INSERT INTO domain (name) VALUES (%s)", ("a." * 200 + "example",)).endswith(
        "has more than 253 characters")
    assert refused(root, "INSERT INTO recipient (address) VALUES (%s)", ("a@" + "a." * 200 + "example",)).endswith(
        "has more than 319 characters")
    assert "1000 characters" in refused(
        root, "INSERT INTO domain (name, route) VALUES ('a.example', %s)", ("error:" + "x" * 2000,))
    assert "2000 characters" in refused(
        root, "INSERT INTO alias (address, goto) VALUES ('a@a.example', %s)", ("a@example.net," * 200,))
    assert "500 characters" in refused(
        root, "INSERT INTO access (map, pattern, action) VALUES ('client', '1', %s)", ("REJECT " + "x" * 600,))
    assert "960 characters" in refused(
        root, "INSERT INTO relay (name, nexthop) VALUES ('a', %s)", ("[a.example], " * 100,))
    assert "recipients is" in refused(root, "INSERT INTO domain (name, recipients) VALUES ('a.example', 'lsted')")
    assert "map is" in refused(root, "INSERT INTO access (map, pattern, action) VALUES ('clients', '1', 'OK')")
    assert refused(root, "INSERT INTO domain (name, enabled) VALUES ('a.example', 2)") == "enabled is TRUE or FALSE"
    assert rows(root, "SELECT name FROM domain") == ()


def test_null_is_not_0(database, root):
    """INSERT IGNORE, LOAD DATA LOCAL and clients without strict mode would store 0: mail refused."""
    run(root, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[a.example]')", "INSERT INTO domain (name) VALUES ('old.example')",
        "INSERT INTO recipient (address) VALUES ('a@old.example')", "INSERT INTO alias (address, goto) VALUES ('b@old.example', 'a@old.example')",
        "INSERT INTO access (map, pattern, action) VALUES ('client', '1', 'OK')")
    for mode in ("STRICT_ALL_TABLES", ""):
        run(root, f"SET SESSION sql_mode = '{mode}'")
        for table, columns, values in (("relay", "name, nexthop", "'x', '[a.example]'"), ("domain", "name", "'x.example'"),
                                       ("recipient", "address", "'x@x.example'"), ("alias", "address, goto", "'x@x.example', 'a@a.example'"),
                                       ("access", "map, pattern, action", "'client', '2', 'OK'")):
            assert refused(root, f"INSERT IGNORE INTO {table} ({columns}, enabled) VALUES ({values}, NULL)") == "enabled is TRUE or FALSE"
            assert refused(root, f"UPDATE IGNORE {table} SET enabled = NULL") == "enabled is TRUE or FALSE"
        assert "recipients is" in refused(root, "INSERT IGNORE INTO domain (name, recipients) VALUES ('x.example', NULL)")
        assert "recipients is" in refused(root, "UPDATE IGNORE domain SET recipients = NULL")


def test_missing_relay_and_source(database, root):
    operator = database.connect(OPERATOR)
    run(root, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[mail.example.net]')")
    run(operator, "INSERT INTO domain (name, relay) VALUES ('a.example', 'hq')")
    assert refused(operator, "INSERT INTO domain (name, relay) VALUES ('b.example', 'hq2')") == (
        'there is no relay "hq2": the table relay shows them')
    assert refused(operator, "UPDATE domain SET relay = 'hq2'") == 'there is no relay "hq2": the table relay shows them'
    for statement in ("INSERT INTO domain (name, source) VALUES ('b.example', 'bind:x')",
                      "INSERT INTO recipient (address, source) VALUES ('b@b.example', 'bind:x')",
                      "UPDATE domain SET source = 'bind:x'"):
        assert refused(operator, statement) == (
            'there is no source "bind:x": the table source shows them; NULL means a row of people')
    admin = database.connect(ADMIN)
    assert refused(admin, "DELETE FROM relay WHERE name = 'hq'") == (
        'relay "hq" is used by "a.example" and perhaps others: give them another with '
        "UPDATE domain SET relay = ... WHERE relay = 'hq'")
    assert refused(admin, "UPDATE relay SET name = 'main'") == (
        'relay "hq" is used by "a.example" and perhaps others, so its name must stay: '
        "make a second relay and move them to it")
    run(admin, "UPDATE relay SET nexthop = '[10.0.0.7]:2525', enabled = FALSE",
        "INSERT INTO relay_tenant VALUES ('hq', 'tina')", "UPDATE domain SET relay = NULL")
    assert "DELETE FROM relay_tenant" in refused(admin, "DELETE FROM relay")
    assert "there is no relay" in refused(admin, "INSERT INTO relay_tenant VALUES ('hq2', 'tina')")
    assert "there is no relay" in refused(admin, "UPDATE relay_tenant SET relay = 'hq2'")
    assert "tenant is empty" in refused(admin, "INSERT INTO relay_tenant VALUES ('hq', '')")
    assert "tenant is empty" in refused(admin, "UPDATE relay_tenant SET tenant = ''")
    run(admin, "DELETE FROM relay_tenant", "UPDATE relay SET name = 'main'", "DELETE FROM relay")


def test_a_relay_that_is_gone(root):
    """TRUNCATE passes by triggers and foreign keys. The view says what the server then answers: mail waits."""
    run(root, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[mail.example.net]')", "INSERT INTO domain (name, relay) VALUES ('a.example', 'hq')",
        "SET foreign_key_checks = 0", "TRUNCATE TABLE relay")
    assert one(root, "SELECT answer, why FROM effective_route") == ("hold:", "relay hq is gone: mail is accepted and kept")


# What each constraint refuses when the triggers are not there: in a replica, after a restore that
# forgot them. (constraint's name, statement)
WALL = [
    ("name: a domain like example.com or .example.com", "INSERT INTO domain (name) VALUES ('Example.com')"),
    ("name: a domain like example.com or .example.com", "INSERT INTO domain (name) VALUES ('example')"),
    ("name: a domain like example.com or .example.com", "INSERT INTO domain (name) VALUES ('*.example.com')"),
    ("name: a domain like example.com or .example.com", "INSERT INTO domain (name) VALUES ('example.com\n')"),
    ("name: a domain like example.com or .example.com", "INSERT INTO domain (name) VALUES ('192.0.2.1')"),
    ("name: a domain like example.com or .example.com", "INSERT INTO domain (name) VALUES ('bücher.example')"),
    ("name: a domain like example.com or .example.com", "INSERT INTO domain (name) VALUES (CONCAT(REPEAT('a.', 124), 'example'))"),
    ("name: a domain like example.com or .example.com", "UPDATE domain SET name = 'old'"),
    ("route: transport:nexthop, such as smtp:[10.0.0.1]:2525", "UPDATE domain SET route = '[10.0.0.1]:25'"),
    ("route: transport:nexthop, such as smtp:[10.0.0.1]:2525", "UPDATE domain SET route = ''"),
    ("route: transport:nexthop, such as smtp:[10.0.0.1]:2525", "UPDATE domain SET route = ':'"),
    ("route: transport:nexthop, such as smtp:[10.0.0.1]:2525", "UPDATE domain SET route = 'smtp:a\nb'"),
    ("route: transport:nexthop, such as smtp:[10.0.0.1]:2525", "UPDATE domain SET route = CONCAT('error:', REPEAT('x', 1000))"),
    ("enabled: TRUE or FALSE", "UPDATE domain SET enabled = 2"),
    ("address: such as info@example.com", "INSERT INTO recipient (address) VALUES ('info')"),
    ("address: such as info@example.com", "INSERT INTO recipient (address) VALUES ('@old.example')"),
    ("address: such as info@example.com", "INSERT INTO recipient (address) VALUES ('info@Old.example')"),
    ("recipient.route: such as lmtp:[10.0.0.3]:24", "INSERT INTO recipient (address, route) VALUES ('a@old.example', 'x')"),
    ("recipient.enabled: TRUE or FALSE", "INSERT INTO recipient (address, enabled) VALUES ('a@old.example', 3)"),
    ("alias.address: user@example.com or @example.com", "INSERT INTO alias (address, goto) VALUES ('info', 'a@a.example')"),
    ("goto: addresses, such as a@example.net, b@example.net", "INSERT INTO alias (address, goto) VALUES ('a@a.example', 'info')"),
    ("goto: addresses, such as a@example.net, b@example.net", "INSERT INTO alias (address, goto) VALUES ('a@a.example', '|a@b')"),
    ("alias.enabled: TRUE or FALSE", "INSERT INTO alias (address, goto, enabled) VALUES ('a@a.example', 'b@a.example', 2)"),
    ("pattern: such as 192.0.2 or .example.com or user@example.com", "INSERT INTO access (map, pattern, action) VALUES ('client', '', 'OK')"),
    ("action: such as OK or REJECT text", "INSERT INTO access (map, pattern, action) VALUES ('client', '1', '')"),
    ("action: such as OK or REJECT text", "INSERT INTO access (map, pattern, action) VALUES ('client', '1', 'a\nb')"),
    ("access.enabled: TRUE or FALSE", "INSERT INTO access (map, pattern, action, enabled) VALUES ('client', '1', 'OK', 2)"),
    ("relay.name: a short name such as hq", "INSERT INTO relay (name, nexthop) VALUES ('h q', '[a]')"),
    ("transport: a service in master.cf, such as relay", "INSERT INTO relay (name, transport, nexthop) VALUES ('a', 'SMTP', '[a]')"),
    ("nexthop: such as [mail.example.net]:25, [10.0.0.7]:2525", "INSERT INTO relay (name, nexthop) VALUES ('a', '')"),
    ("nexthop: such as [mail.example.net]:25, [10.0.0.7]:2525", "INSERT INTO relay (name, nexthop) VALUES ('a', '[a],,[b]')"),
    ("relay.enabled: TRUE or FALSE", "UPDATE relay SET enabled = 2"),
    ("source.name: a short name such as bind:ns2", "INSERT INTO source (name, account) VALUES ('', 'x')"),
    ("source.account: a user name, without @host", "INSERT INTO source (name, account) VALUES ('x', '')"),
    ("service: has one row", "INSERT INTO service (answering, one_row) VALUES ('no', 0)"),
    ("schema_version: has one row", "INSERT INTO schema_version (version, one_row) VALUES (2, 0)"),
]

FOREIGN_KEYS = [
    ("domain.relay: no such relay, or relay in use", 1452, "UPDATE domain SET relay = 'none'"),
    ("domain.relay: no such relay, or relay in use", 1451, "DELETE FROM relay"),
    ("domain.relay: no such relay, or relay in use", 1451, "UPDATE relay SET name = 'other'"),
    ("domain.source: no such source, or source in use", 1452, "UPDATE domain SET source = 'none'"),
    ("recipient.source: no such source, or source in use", 1452, "INSERT INTO recipient (address, source) VALUES ('a@old.example', 'none')"),
    ("relay_tenant: no such relay, or relay in use", 1452, "INSERT INTO relay_tenant VALUES ('none', 'x')"),
    ("import_claim.source: no such source, or source in use", 1452, "INSERT INTO import_claim (source, name) VALUES ('none', 'x')"),
    ("import_run.source: no such source, or source in use", 1452, "INSERT INTO import_run (source) VALUES ('none')"),
]


def test_the_second_wall(root):
    """Constraints hold without any trigger, and their names say what is meant."""
    run(root, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[mail.example.net]')",
        "INSERT INTO domain (name, relay) VALUES ('old.example', 'hq')")
    for (trigger,) in rows(root, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"):
        run(root, f"DROP TRIGGER `{trigger}`")
    try:
        constraints_alone(root)
    finally:
        run(root, "DROP DATABASE lookupd")


def constraints_alone(root):
    for name, statement in WALL:
        number, text = error_of(root, statement)
        assert (number, f"`{name}`" in text) == (CONSTRAINT, True), (statement, number, text)
    for name, expected, statement in FOREIGN_KEYS:
        number, text = error_of(root, statement)
        assert (number, f"CONSTRAINT `{name}`" in text) == (expected, True), (statement, number, text)
    # columns of fixed words are refused by their type
    assert error_of(root, "UPDATE domain SET recipients = 'lsted'")[0] == 1265
    assert error_of(root, "INSERT INTO access (map, pattern, action) VALUES ('clients', '1', 'OK')")[0] == 1265
    # in a client without strict mode by the constraint
    run(root, "SET SESSION sql_mode = ''")
    assert "`recipients: any or listed`" in error_of(root, "UPDATE domain SET recipients = 'lsted'")[1]
    assert "`map: client, sender or recipient`" in error_of(
        root, "INSERT INTO access (map, pattern, action) VALUES ('clients', '1', 'OK')")[1]
    assert "`answering: yes or no`" in error_of(root, "UPDATE service SET answering = ''")[1]
    tested = {name for name, *_ in WALL + FOREIGN_KEYS} | {
        "recipients: any or listed", "map: client, sender or recipient", "answering: yes or no"}
    every = {name for (name,) in rows(root, """
        SELECT CONSTRAINT_NAME FROM information_schema.CHECK_CONSTRAINTS
          WHERE CONSTRAINT_SCHEMA = DATABASE() AND CONSTRAINT_NAME NOT IN ('old', 'new')
        UNION SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
          WHERE CONSTRAINT_SCHEMA = DATABASE()""")}
    assert every == tested


# Clients as DBAs have them: old, graphical, of other character sets, of other habits.
CLIENTS = [
    ("utf8mb4", "ANSI_QUOTES"), ("utf8mb4", "NO_BACKSLASH_ESCAPES"), ("latin1", ""),
    ("utf8", "TRADITIONAL"), ("utf8mb4", "ORACLE"), ("latin1", "PIPES_AS_CONCAT,NO_ZERO_DATE"),
    ("cp1250", "PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE,IGNORE_SPACE"),
]


@pytest.mark.parametrize("charset,mode", CLIENTS)
def test_whatever_the_client_is(database, root, charset, mode):
    operator = database.connect(OPERATOR, charset=charset)
    run(operator, f"SET SESSION sql_mode = '{mode}', SESSION default_regex_flags = 'MULTILINE,EXTENDED,DOTALL'")
    # PyMySQL takes every error text for UTF-8
    letter = "ü" if charset.startswith("utf8") else "\ufffd"
    assert refused(operator, "INSERT INTO domain (name) VALUES ('bücher.example')") == (
        f'"b{letter}cher.example" has letters that are not ASCII: write its A-label (xn--...), which the command idn2 prints')
    assert refused(operator, "INSERT INTO domain (name) VALUES ('x.example\n')").startswith('"x.example?" has a blank')
    run(operator, "INSERT INTO domain (name, note) VALUES ('Example.COM.', 'Müller')",
        "INSERT INTO recipient (address) VALUES ('Müller@Example.com')",
        "INSERT INTO alias (address, `goto`) VALUES ('Jörg@example.com', '@example.net')",
        "UPDATE domain SET note = 'Möller'")
    assert rows(root, "SELECT name, note FROM domain") == (("example.com", "Möller"),)
    assert one(root, "SELECT COUNT(*) FROM recipient WHERE address = 'müller@example.com'") == 1
    assert one(root, "SELECT JSON_VALUE(old, '$.note') FROM history WHERE action = 'update'") == "Müller"

