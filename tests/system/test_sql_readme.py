"""The statements of sql/README.md and of accounts.example.sql do what they say."""

import os
import re

import pytest

from sql import ADMIN, ROOT, error_of, fresh, one, rows, run


@pytest.fixture
def root(mariadb):
    connection = fresh(mariadb)
    yield connection
    connection.close()


def readme():
    with open(os.path.join(ROOT, "sql", "README.md"), encoding="utf-8") as file:
        return file.read()


def test_ten_statements(mariadb, root):
    admin = mariadb.connect(ADMIN)
    text = re.sub(r"^--.*$", "", re.search(r"```sql\n(.*?)```", readme(), re.S).group(1), flags=re.M)
    statements = [part.strip() for part in text.split(";\n") if part.strip()]
    assert len(statements) >= 10
    for statement in statements:
        if "restore_row" in statement:  # a second later, as its text has it
            assert one(root, "SELECT enabled FROM relay") == 0
            run(root, "DO SLEEP(0.01)")
            statement = statement.replace("INTERVAL 1 SECOND", "INTERVAL 5 MILLISECOND").replace(
                "NOW(6) - INTERVAL 5 MILLISECOND", "(SELECT MIN(at) FROM history WHERE table_name = 'relay')")
        assert error_of(admin, statement) == (0, ""), statement
    assert one(root, "SELECT enabled FROM relay WHERE name = 'hq'") == 1
    assert rows(root, "SELECT address FROM recipient ORDER BY address") == (
        ("info@example.com",), ("postmaster@example.com",), ("sales@example.com",))
    assert dict(rows(root, "SELECT name, answer FROM effective_route")) == {
        "example.com": "relay:[mail.example.net]:25, [10.0.0.7]:2525", ".example.com": "relay:[mail.example.net]:25, [10.0.0.7]:2525",
        "lab.example.com": "retry:4.3.0 relaying for this domain is disabled"}
    # undoing all that somebody did, with the query that writes the calls
    query = re.search(r"^    (SELECT CONCAT\('CALL restore_row.*?;)$", readme(), re.S | re.M).group(1)
    run(admin, "SET @t = NOW(6)", "DO SLEEP(0.01)", "UPDATE domain SET note = 'bad'", "DELETE FROM alias")
    calls = [call for (call,) in rows(admin, query.replace("olga@localhost", "adam@localhost").replace("'2026-01-31 09:00'", "@t"))]
    assert len(calls) == 4
    for call in calls:
        run(admin, call)
    assert one(root, "SELECT COUNT(*) FROM domain WHERE note IS NULL") == 3 and one(root, "SELECT COUNT(*) FROM alias") == 1


def test_the_error_shown(root):
    number, text = error_of(root, "INSERT INTO domain (name) VALUES ('*.example.com')")
    assert f"ERROR {number} (45000): {text}\n" in readme()


def test_recipients_by_hand(mariadb, root):
    admin = mariadb.connect(ADMIN)
    run(admin, "INSERT INTO recipient (address, enabled) VALUES ('info@example.com', 0), ('old@example.com', 1)")
    for statement in re.search(r"    START TRANSACTION;.*?COMMIT;", readme(), re.S).group(0).split(";\n"):
        run(admin, statement)
    assert rows(root, "SELECT address, enabled FROM recipient ORDER BY address") == (("info@example.com", 1), ("sales@example.com", 1))


def test_from_a_file(mariadb, root, tmp_path):
    """As a spreadsheet writes it. A field that is neither yes nor no is no reason to refuse mail."""
    run(root, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[mail.example.net]')")
    person = mariadb.connect(ADMIN, local_infile=True)
    path = tmp_path / "domains.csv"
    statement = re.search(r"^    (LOAD DATA LOCAL .*?;)$", readme(), re.S | re.M).group(1).replace("domains.csv", str(path))
    path.write_bytes(b'domain,relay,on\r\nA.example,hq,TRUE\r\n"b.example","",false\r\nc.example,HQ,1\r\n')
    run(person, statement)
    assert rows(root, "SELECT name, relay, enabled FROM domain ORDER BY name") == (
        ("a.example", "hq", 1), ("b.example", None, 0), ("c.example", "hq", 1))
    for field in (b"", b",", b",maybe"):
        path.write_bytes(b"domain,relay,on\r\nd.example,hq,1\r\ne.example,hq" + field + b"\r\n")
        assert error_of(person, statement)[1] == "enabled is TRUE or FALSE"
    assert one(root, "SELECT COUNT(*) FROM domain") == 3


def test_describe_is_short(root):
    """What a DBA sees first: names, in the order of use, each with its meaning."""
    assert [row[0] for row in rows(root, "DESCRIBE domain")] == [
        "name", "relay", "route", "recipients", "enabled", "owner", "note", "source", "updated_at", "updated_by"]
    assert rows(root, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
                      " AND TABLE_TYPE = 'BASE TABLE' AND TABLE_COMMENT = ''") == ()
    assert rows(root, "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
                      " AND TABLE_NAME = 'domain' AND COLUMN_COMMENT = ''") == (("note",),)
