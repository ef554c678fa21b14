"""SQL injection, and what an account could do that somebody has stolen.

Keys come from strangers: they travel as parameters of prepared statements only, which the server's
general log shows. What the roles may do stands in test_sql_roles.py and test_sql_ownership.py; here
accounts try to get out by other ways."""

import contextlib
import os
import re
import subprocess

import pymysql
import pytest

from clients import NOTFOUND, OK, TEMP, SocketmapClient, TcpTableClient
from processes import wait_until
from sql import IMPORTER, OPERATOR, READER, TENANT, error_of, fresh, one, rows, run

SANDBOX_SETTINGS = """
workers = 1;
maps = {
  every = { keys = "exact"; query = "SELECT name, note FROM domain WHERE name IN (:key)"; };
  writes = { keys = "exact"; query = "SELECT name, deed(name) FROM domain WHERE name IN (:key)"; };
};
"""

SQL = [
    "' OR '1'='1", "' OR 1=1 -- ", "' OR 1=1#", "') OR ('1'='1", "')) OR 1=1 -- ", "\" OR \"\"=\"", "1 OR 1=1",
    "'; DROP TABLE domain; -- ", "'; DELETE FROM domain; -- ", "x'); UPDATE domain SET enabled = 0; -- ",
    "' UNION SELECT name, name FROM domain -- ", "' UNION ALL SELECT user, password FROM mysql.user -- ",
    "' AND SLEEP(5) -- ", "' AND (SELECT 1 FROM (SELECT SLEEP(5)) t) -- ", "'||(SELECT 1)||'", "'+(SELECT 1)+'",
    "' INTO OUTFILE '/tmp/lookupd-injected' -- ", "' PROCEDURE ANALYSE() -- ", "/*!50000 DROP TABLE domain */",
    "'/**/OR/**/1=1/**/--/**/", "`; DROP TABLE domain; -- ", "\\", "\\'", "\\' OR 1=1 -- ", "\\\\' OR 1=1 -- ",
    "'", "''", "'''", "\"", "`", "?", "??", ":key", ":domains", "%", "_", "%%", "d%", "d_", "d1.example.co_",
    "$$", "${jndi:ldap://x}", "@@version", "@x:=1", "NULL", "null", "0x27", "CHAR(39)", "-- ", "#", ";",
    "ʼ OR 1=1 -- ", "＇ OR 1=1 -- ", "‘ OR 1=1 -- ", "' OR 'x'＝'x",  # U+FF07 folds to an apostrophe
]
# octets that were an apostrophe's way through in other character sets; not UTF-8, most of them
OCTETS = [b"\xbf' OR 1=1 -- ", b"\xbf\\' OR 1=1 -- ", b"\xc0\xa7 OR 1=1 -- ", b"\x00' OR 1=1 -- ",
          b"\xe5' OR 1=1 -- ", b"\x1a", b"a\x00b", b"\n' OR 1=1", b"\r\n", b"\xef\xbb\xbf'"]
MAPS = ("relay_domains", "transport", "relay_recipients", "virtual_aliases", "client_access", "sender_access",
        "recipient_access", "every")


def _keys():
    """Each text as a key, as a local part (bare and quoted), as a label, before and after others."""
    for text in [*(text.encode() for text in SQL), *OCTETS]:
        quoted = b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        yield from (text, text + b"@d1.example.com", quoted + b"@d1.example.com", text + b".d1.example.com",
                    b"d1.example.com" + text, b"u@d1.example.com" + text)


def _sums(connection):
    """A checksum of each table."""
    tables = ", ".join(f"`{table}`" for (table,) in rows(
        connection, "SELECT TABLE_NAME FROM information_schema.TABLES"
                    " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'"))
    return dict(rows(connection, f"CHECKSUM TABLE {tables}"))


@pytest.fixture
def filled(sandbox):
    sandbox.sql("INSERT INTO domain (name, note, recipients) VALUES ('d1.example.com', 'note', 'listed'),"
                " ('d2.example.com', 'note', 'any')",
                "INSERT INTO recipient (address) VALUES ('u@d1.example.com')",
                "INSERT INTO alias (address, `goto`) VALUES ('a@d1.example.com', 'u@d1.example.com')",
                "INSERT INTO access (map, pattern, action) VALUES ('sender', 'd1.example.com', 'REJECT')")
    return sandbox


@contextlib.contextmanager
def _general_log(connection):
    """Yields a function that returns what lookupd's sessions have said: (command, text)."""
    run(connection, "SET GLOBAL log_output = 'TABLE'", "TRUNCATE TABLE mysql.general_log",
        "SET GLOBAL general_log = 1")
    try:
        yield lambda: [(kind, text.decode("utf-8", "surrogateescape")) for kind, text in rows(
            connection, "SELECT command_type, CAST(argument AS BINARY) FROM mysql.general_log"
                        " WHERE user_host LIKE 'lookupd[lookupd]%' OR user_host LIKE '[lookupd]%'")]
    finally:
        run(connection, "SET GLOBAL general_log = 0")


LITERAL = re.compile(r"'(?:[^'\\]|''|\\.)*'|\bNULL\b", re.S)


def _shape(statement):
    """A statement with ? for each of its literals, and for each NULL."""
    return LITERAL.sub("?", statement)


def test_keys_travel_as_parameters(filled):
    """The general log: what is prepared knows no key, what is executed has each as one literal, and
    nothing else is said. Whatever the key, the answer is that of any key that is not there."""
    with contextlib.closing(filled.connect()) as root:
        before = _sums(root)
        with _general_log(root) as said, filled.socketmap() as client:
            # new sessions, so that everything they say is seen
            for (number,) in rows(root, "SELECT id FROM information_schema.PROCESSLIST WHERE user = 'lookupd'"):
                run(root, f"KILL {number}")
            wait_until(lambda: client.query("relay_domains", "d1.example.com") == (OK, "d1.example.com"), 5)
            for key in _keys():
                # an address of that domain it may be, if not one that is there
                at_domain = {("transport", OK, "relay:"), ("sender_access", OK, "REJECT")} \
                    if key.endswith(b"@d1.example.com") else set()
                for name in MAPS:
                    word, value = client.query(name, key)
                    assert word == NOTFOUND or (name, word, value) in at_domain, (name, key, word, value)
            for name in ("relay_domains", "transport"):
                with filled.tcp_table(name) as table:
                    for key in _keys():
                        word = table.query(key)[0] if b"\n" not in key else NOTFOUND
                        assert word == NOTFOUND or name == "transport" and key.endswith(b"@d1.example.com"), key
            lines = said()
        assert _sums(root) == before
    prepared = {text for kind, text in lines if kind == "Prepare"}
    executed = [text for kind, text in lines if kind == "Execute"]
    queries = {text for kind, text in lines if kind == "Query"}
    assert {kind for kind, _ in lines} <= {"Connect", "Query", "Prepare", "Execute", "Close stmt", "Quit"}
    assert len(executed) > len(SQL) * 4 and prepared
    for text in prepared | queries:
        assert not re.search(r"d1\.example|OR 1|SLEEP|DROP|OUTFILE|1=1", text, re.I), text
    shapes = {_shape(text) for text in prepared}
    for text in executed:
        assert _shape(text) in shapes, text
    assert any("drop table" in text for text in executed)  # it was there, as a literal
    assert all(re.match(r"SET |SELECT |SHOW ", text) for text in queries), queries
    assert not os.path.exists("/tmp/lookupd-injected")


def test_keys_that_are_rows(filled):
    """What looks like SQL and is an address is found when there is such a row, and it alone."""
    addresses = ["o'brien@d2.example.com", "x'or'1'='1@d2.example.com", "100%@d2.example.com",
                 "under_score@d2.example.com", "a`b@d2.example.com", "{x}@d2.example.com"]
    with contextlib.closing(filled.connect()) as root, root.cursor() as cursor:
        for address in addresses:
            cursor.execute("INSERT INTO alias (address, `goto`) VALUES (%s, %s)", (address, "u@d1.example.com"))
    with filled.socketmap() as client:
        for address in addresses:
            assert client.query("virtual_aliases", address) == (OK, "u@d1.example.com"), address
        for address in ("underXscore@d2.example.com", "100x@d2.example.com", "o''brien@d2.example.com",
                        "%@d2.example.com", "o\\'brien@d2.example.com", "_nder_score@d2.example.com"):
            assert client.query("virtual_aliases", address) == (NOTFOUND, ""), address


@pytest.mark.parametrize("name", ["relay_domains'", "x' OR '1'='1", "`domain`", "every;", "no_such", "%s", ""])
def test_names_of_maps(filled, name):
    """A map is found by its name or not at all."""
    with filled.socketmap() as client:
        client.send(SocketmapClient.request(name, "d1.example.com"))
        try:
            assert client.answer()[0] != OK
        except EOFError:
            pass
    assert filled.query("every", "d1.example.com") == (OK, "note")


def test_tcp_table_escapes(filled):
    """%27 is an apostrophe of the key, and no more."""
    with filled.tcp_table("relay_domains") as table:
        for text in ("%27%20OR%20%271%27=%271", "d1.example.com%27%20--%20", "%27;DROP%20TABLE%20domain;--"):
            table.send(f"get {text}\n".encode())
            assert table.answer()[0] == NOTFOUND
        assert table.query("d1.example.com") == (OK, "d1.example.com")
        assert isinstance(table, TcpTableClient)


# ---- a query that an administrator wrote, or was talked into ----

def test_a_query_cannot_write(filled):
    """lookupd's sessions are read-only transactions: a function that writes with its definer's rights
    cannot either."""
    with contextlib.closing(filled.connect()) as root:
        run(root, """CREATE FUNCTION deed(n TEXT) RETURNS TEXT MODIFIES SQL DATA SQL SECURITY DEFINER
                     BEGIN UPDATE recipient SET note = 'written'; RETURN 'done'; END""",
            "GRANT EXECUTE ON FUNCTION deed TO lookupd_reader")
        try:
            with contextlib.closing(filled.connect(user=READER)) as reader:
                assert error_of(reader, "SELECT name, deed(name) FROM domain") == (0, "")  # the right is there,
            assert rows(root, "SELECT note FROM recipient") == (("written",),)
            run(root, "UPDATE recipient SET note = 'note'")
            before = _sums(root)
            assert filled.query("writes", "d1.example.com")[0] == TEMP  # and does not help
            assert _sums(root) == before
            assert filled.query("every", "d1.example.com") == (OK, "note")
        finally:
            run(root, "DROP FUNCTION deed")


@pytest.mark.parametrize("query", [
    "SELECT name, note FROM domain WHERE name IN (:key); DELETE FROM domain",
    "DELETE FROM domain WHERE name IN (:key)", "UPDATE domain SET note = 'x' WHERE name IN (:key)",
    "INSERT INTO domain (name) SELECT 1 IN (:key)", "CALL prune_history(1 IN (:key))",
    "SELECT name, note INTO OUTFILE '/tmp/lookupd-injected' FROM domain WHERE name IN (:key)",
    "SELECT name, note FROM domain WHERE name IN (':key')",
])
def test_queries_that_are_none(filled, query):
    """-t refuses what is no SELECT of two columns with lists outside quotes."""
    path = filled.path("refused.conf")
    with open(filled.conf, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[:text.index("maps =")]
                   + f'maps = {{ bad = {{ keys = "exact"; query = "{query}"; }}; }};\n')
    done = subprocess.run([os.path.join(filled.programs, "lookupd"), "-c", path, "-t"], timeout=30,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 78 and "bad.query" in done.stderr, done.stderr
    assert rows(filled.connect(), "SELECT COUNT(*) FROM domain") == ((2,),)
    assert not os.path.exists("/tmp/lookupd-injected")


# ---- accounts ----

def _every_statement(root):
    """Statements of all classes that write, or give rights, on every object that there is."""
    tables = [table for (table,) in rows(root, "SELECT TABLE_NAME FROM information_schema.TABLES"
                                               " WHERE TABLE_SCHEMA = DATABASE()")]
    for table in tables:
        column, = rows(root, "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
                             " AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION LIMIT 1", (table,))[0]
        yield from (
            f"INSERT INTO `{table}` (`{column}`) VALUES ('x')", f"INSERT IGNORE INTO `{table}` (`{column}`) VALUES ('x')",
            f"REPLACE INTO `{table}` (`{column}`) VALUES ('x')", f"UPDATE `{table}` SET `{column}` = 'x'",
            f"UPDATE `{table}`, (SELECT 1) AS other SET `{column}` = 'x'", f"DELETE FROM `{table}`",
            f"DELETE `{table}` FROM `{table}`, (SELECT 1) AS other", f"TRUNCATE TABLE `{table}`",
            f"INSERT INTO `{table}` (`{column}`) VALUES ('x') ON DUPLICATE KEY UPDATE `{column}` = 'y'",
            f"LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE `{table}`", f"LOAD DATA INFILE '/etc/hostname' INTO TABLE `{table}`",
            f"DROP TABLE `{table}`", f"DROP VIEW `{table}`", f"RENAME TABLE `{table}` TO gone",
            f"ALTER TABLE `{table}` ADD more INT", f"CREATE INDEX more ON `{table}` (`{column}`)",
            f"OPTIMIZE TABLE `{table}`", f"REPAIR TABLE `{table}`", f"LOCK TABLES `{table}` WRITE",
            f"CREATE OR REPLACE VIEW `{table}` AS SELECT 1", f"CREATE TABLE more AS SELECT * FROM `{table}`",
            f"CREATE TRIGGER more BEFORE INSERT ON `{table}` FOR EACH ROW SET @x = 1",
            f"GRANT ALL ON `{table}` TO CURRENT_USER", f"GRANT INSERT ON `{table}` TO CURRENT_ROLE",
            f"EXECUTE IMMEDIATE 'DELETE FROM `{table}`'",
            f"BEGIN NOT ATOMIC DELETE FROM `{table}`; END")
    for kind, name in rows(root, "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES"
                                 " WHERE ROUTINE_SCHEMA = DATABASE()"):
        yield f"DROP {kind} `{name}`"
    for (name,) in rows(root, "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"):
        yield f"DROP TRIGGER `{name}`"
    for (name,) in rows(root, "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()"):
        yield f"DROP EVENT `{name}`"
        yield f"ALTER EVENT `{name}` DISABLE"
    yield from (
        "CALL prune_history(0)", "CALL restore_row('domain', 'd1.example.com', NOW())",
        "CALL replace_recipients('d1.example.com', '[]')", "CREATE TABLE more (x INT)",
        "CREATE TEMPORARY TABLE domain (name TEXT)", "CREATE DATABASE more", "DROP DATABASE lookupd",
        "CREATE FUNCTION more() RETURNS INT RETURN 1", "CREATE PROCEDURE more() DELETE FROM domain",
        "CREATE DEFINER = root@localhost PROCEDURE more() DELETE FROM domain",
        "CREATE EVENT more ON SCHEDULE EVERY 1 SECOND DO DELETE FROM domain",
        "CREATE FUNCTION more RETURNS STRING SONAME 'more.so'", "INSTALL PLUGIN more SONAME 'more.so'",
        "INSTALL SONAME 'ha_archive'", "CREATE USER more", "CREATE ROLE more", "ALTER USER root@localhost IDENTIFIED BY 'x'",
        "SET PASSWORD FOR root@localhost = PASSWORD('x')", "RENAME USER lookupd@localhost TO more",
        "DROP ROLE lookupd_reader", "GRANT lookupd_admin TO CURRENT_USER", "SET ROLE lookupd_admin",
        "SET ROLE lookupd_operator", "GRANT SUPER ON *.* TO CURRENT_USER", "GRANT PROXY ON root@localhost TO CURRENT_USER",
        "SELECT * FROM mysql.user", "SELECT * FROM mysql.global_priv", "UPDATE mysql.user SET user = 'x'",
        "SELECT 1 INTO OUTFILE '/tmp/lookupd-injected'",
        "SELECT 1 INTO DUMPFILE '/tmp/lookupd-injected'", "SET GLOBAL read_only = 1", "SET GLOBAL general_log = 1",
        "SET GLOBAL init_connect = 'DELETE FROM domain'", "SET SESSION sql_log_bin = 0", "FLUSH TABLES WITH READ LOCK",
        "FLUSH PRIVILEGES", "RESET MASTER", "CHANGE MASTER TO MASTER_HOST = 'x'", "START SLAVE", "PURGE BINARY LOGS TO 'x'",
        "KILL 1", "SHUTDOWN", "SHOW GRANTS FOR root@localhost", "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')",
        "BACKUP STAGE START", "BINLOG ''",
    )


@pytest.fixture
def root(mariadb):
    connection = fresh(mariadb)
    run(connection, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[mail.example.net]')",
        "INSERT INTO source (name, account) VALUES ('bind:ns1', 'importer_ns1')",
        "INSERT INTO domain (name, relay, owner) VALUES ('d1.example.com', 'hq', 'tom')",
        "INSERT INTO domain (name, route, source) VALUES ('ns1.example', 'relay:', 'bind:ns1')",
        "INSERT INTO recipient (address) VALUES ('u@d1.example.com')",
        "INSERT INTO alias (address, `goto`) VALUES ('a@d1.example.com', 'u@d1.example.com')",
        "INSERT INTO access (map, pattern, action) VALUES ('sender', 'd1.example.com', 'REJECT')",
        "INSERT INTO import_claim (source, name, route) VALUES ('bind:ns1', 'ns1.example', 'relay:')",
        "INSERT INTO import_run (source, started) VALUES ('bind:ns1', NOW())")
    yield connection
    connection.close()


def _rights(root):
    return rows(root, "SELECT user, host, priv FROM mysql.global_priv ORDER BY 1, 2"), \
        rows(root, "SELECT * FROM mysql.tables_priv ORDER BY 1, 2, 3, 4"), \
        rows(root, "SELECT * FROM mysql.roles_mapping ORDER BY 1, 2, 3")


# what an importer and a tenant may do is theirs: see test_sql_ownership.py, test_sql_roles.py
@pytest.mark.parametrize("account", [READER, TENANT, IMPORTER])
def test_no_statement_of_any_class_writes(mariadb, root, account):
    """The server's account writes nothing at all; the others nothing that is not theirs."""
    connection = mariadb.connect(account, local_infile=True)
    before, rights = _sums(root), _rights(root)
    if account == IMPORTER:
        run(connection, "SET @lookupd_source = 'bind:ns2'")
    harmless = {"SHOW GRANTS FOR root@localhost"}
    worked = []
    for statement in _every_statement(root):
        number, text = error_of(connection, statement)
        if not connection.open:
            connection = mariadb.connect(account, local_infile=True)
        if number == 0 and statement not in harmless:
            worked.append(statement)
        run(connection, "UNLOCK TABLES")
    if account == READER:
        assert worked == []
    assert one(connection, "SELECT LOAD_FILE('/etc/passwd') IS NULL") == 1
    assert {name: value for name, value in _sums(root).items() if name not in ("lookupd.import_run",)} == \
        {name: value for name, value in before.items() if name not in ("lookupd.import_run",)}, worked
    assert _rights(root) == rights
    assert not os.path.exists("/tmp/lookupd-injected")


SWITCHES = ("SET check_constraint_checks = 0", "SET foreign_key_checks = 0", "SET unique_checks = 0", "SET sql_mode = ''",
            "SET sql_safe_updates = 0", "SET SESSION tx_isolation = 'READ-UNCOMMITTED'",
            "SET SESSION max_recursive_iterations = 0", "SET SESSION sql_auto_is_null = 1",
            "SET SESSION group_concat_max_len = 4", "SET SESSION collation_connection = 'latin1_bin'",
            "SET SESSION max_error_count = 0", "SET SESSION sql_warnings = 0")


@pytest.mark.parametrize("account, statements", [
    (IMPORTER, [
        "INSERT INTO domain (name, route) VALUES ('*', 'relay:')", "INSERT INTO domain (name, route) VALUES ('z', 'relay:')",
        "INSERT INTO domain (name, route) VALUES ('z.example', 'pipe:/bin/sh')",
        "INSERT IGNORE INTO domain (name, route) VALUES ('z.example', 'smtp:[x')",
        "INSERT INTO domain (name, relay) VALUES ('z.example', 'none')",
        "REPLACE INTO domain (name, route) VALUES ('d1.example.com', 'hold:')",
        "REPLACE INTO domain (name, route) VALUES ('ns1.example', 'hold:')",
        "INSERT INTO domain (name, route) VALUES ('d1.example.com', 'hold:') ON DUPLICATE KEY UPDATE route = 'hold:'",
        "INSERT INTO domain (name, route) VALUES ('ns1.example', 'x') ON DUPLICATE KEY UPDATE source = 'bind:ns2'",
        "UPDATE domain d JOIN relay r ON r.name = d.relay SET d.route = 'hold:'", "UPDATE domain SET source = 'bind:ns2'",
        "UPDATE IGNORE domain SET route = 'hold:'", "DELETE d FROM domain d JOIN source s ON s.name = d.source",
        "DELETE IGNORE FROM domain", "INSERT INTO domain (name, source) VALUES ('z.example', 'bind:ns1')",
        "INSERT INTO domain (name, source) VALUES ('z.example', 'none')",
        "INSERT INTO import_claim (source, name, route) VALUES ('bind:ns1', 'z.example', 'relay:')",
        "UPDATE import_claim SET gone_since = NOW() WHERE source = 'bind:ns1'",
        "DELETE FROM import_claim WHERE source = 'bind:ns1'", "DELETE FROM import_run WHERE source = 'bind:ns1'",
        "UPDATE import_run SET message = 'x' WHERE source = 'bind:ns1'",
        "INSERT INTO import_run (source) VALUES ('bind:ns1')",
        "SET STATEMENT foreign_key_checks = 0 FOR DELETE FROM domain WHERE name = 'd1.example.com'",
        "SET @lookupd_source = CONCAT('bind:ns1')", "UPDATE domain SET route = 'hold:'",
        "SET @lookupd_source = 'bind:ns2'' OR ''1''=''1'", "UPDATE domain SET route = 'hold:'",
        "SET @lookupd_source = x'62696e643a6e7331'", "UPDATE domain SET route = 'hold:'"]),
    (TENANT, [
        "UPDATE my_domain SET enabled = 0", "UPDATE my_domain SET enabled = 0 WHERE TRUE OR name = name",
        "UPDATE my_domain a JOIN my_domain b SET a.enabled = 0", "UPDATE my_recipient SET enabled = 0",
        "UPDATE lookupd.domain SET enabled = 0", "DELETE FROM my_domain", "SELECT * FROM domain",
        "UPDATE IGNORE my_domain SET relay = 'hq'", "SET @lookupd_source = 'bind:ns1'",
        "UPDATE my_domain SET note = 'x'", "SET SESSION SESSION_USER = 'tom'", "UPDATE my_domain SET enabled = 0"]),
    (OPERATOR, [
        "UPDATE relay SET nexthop = '[evil.example]'", "INSERT INTO source (name, account) VALUES ('x', 'olga')",
        "DELETE FROM history", "INSERT INTO domain (name) VALUES ('*')", "DELETE FROM import_claim",
        "INSERT INTO alias (address, `goto`) VALUES ('z@d1.example.com', 'a\nb')",
        "INSERT INTO access (map, pattern, action) VALUES ('sender', 'x', '')"]),
])
def test_no_way_around_the_fence(mariadb, root, account, statements):
    """With every check of the session switched off that one can switch off."""
    connection = mariadb.connect(account)
    for switch in SWITCHES:
        error_of(connection, switch)
    if account == IMPORTER:
        run(connection, "SET @lookupd_source = 'bind:ns2'")
    before = _sums(root)
    for statement in statements:
        answer = error_of(connection, statement)
        assert _sums(root) == before, (statement, answer)
        with contextlib.suppress(pymysql.MySQLError):
            connection.rollback()
