"""The switch for maintenance, and the upgrade that brings it to older tables."""

import gzip
import os
import subprocess
import threading

import pytest

from sql import (ADMIN, IMPORTER, OPERATOR, READER, ROOT, SCHEMA, denied, error_of, fresh, one, refused, rows, run)

UPGRADE = os.path.join(ROOT, "sql", "upgrade", "002.sql")


@pytest.fixture
def root(mariadb):
    connection = fresh(mariadb)
    run(connection, "SET @lookupd_source = NULL", "INSERT IGNORE INTO service (answering) VALUES ('yes')",
        "UPDATE service SET answering = 'yes', note = NULL", "TRUNCATE TABLE history")
    yield connection
    if connection.open:
        connection.close()


def test_the_switch(mariadb, root):
    """An operator turns it, and history tells who; nobody takes the row away or adds a second one."""
    operator, admin = mariadb.connect(OPERATOR), mariadb.connect(ADMIN)
    assert rows(root, "SELECT answering, note, one_row FROM service") == (("yes", None, 1),)
    run(operator, "UPDATE service SET answering = 'no', note = 'restoring the dump of Monday'")
    assert one(root, "SELECT updated_by FROM service") == "olga@localhost"
    run(admin, "UPDATE service SET answering = 'yes', note = ''")
    assert rows(root, "SELECT who, action, JSON_VALUE(old, '$.answering'), JSON_VALUE(new, '$.answering') FROM history"
                      " WHERE table_name = 'service' AND row_key = 'service' ORDER BY id") == (
        ("olga@localhost", "update", "yes", "no"), ("adam@localhost", "update", "no", "yes"))
    run(admin, "CALL restore_row('service', 'service', (SELECT MIN(at) FROM history))")
    assert one(root, "SELECT answering, note FROM service") == ("no", "restoring the dump of Monday")
    run(admin, "CALL restore_row('service', 'service', (SELECT MIN(at) - INTERVAL 1 SECOND FROM history))")
    assert one(root, "SELECT answering, note FROM service") == ("yes", None)
    assert "answering = 'no'" in refused(root, "DELETE FROM service")
    denied(operator, "DELETE FROM service")
    denied(mariadb.connect(READER), "UPDATE service SET answering = 'no'")
    assert error_of(admin, "INSERT INTO service (answering) VALUES ('no')")[0] == 1062
    assert error_of(admin, "UPDATE service SET answering = 'maybe'")[0] == 1265
    run(admin, "SET sql_mode = ''")
    assert refused(admin, "UPDATE service SET answering = 'maybe'") == "answering is yes or no"


def test_no_importer_turns_it(mariadb, root):
    run(root, "GRANT UPDATE ON service TO importer_ns2@localhost")
    try:
        importer = mariadb.connect(IMPORTER)
        run(importer, "SET @lookupd_source = 'bind:ns2'")
        assert "belongs to people" in refused(importer, "UPDATE service SET answering = 'no'")
    finally:
        run(root, "REVOKE UPDATE ON service FROM importer_ns2@localhost")


def definitions(connection):
    """Everything that a schema is, as texts."""
    found = {}
    for kind, names in (
            ("TABLE", "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE'"),
            ("TRIGGER", "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()"),
            ("FUNCTION", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE = 'FUNCTION'"),
            ("PROCEDURE", "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_TYPE = 'PROCEDURE'")):
        for (name,) in rows(connection, names):
            shown = rows(connection, f"SHOW CREATE {kind} {name}")[0]
            # a table's text ends with what its rows were numbered up to; a trigger's row with its time
            found[kind, name] = shown[:3] if kind != "TABLE" else shown[1].split(") ENGINE")[0]
    found["rights"] = rows(connection, "SELECT User, Table_name, Table_priv FROM mysql.tables_priv"
                                       " WHERE Db = DATABASE() AND User LIKE 'lookupd%' ORDER BY 1, 2")
    found["rights on all tables"] = rows(connection, "SELECT * FROM mysql.db WHERE Db = DATABASE() AND User LIKE 'lookupd%' ORDER BY User")
    found["views"] = rows(connection, "SELECT TABLE_NAME, VIEW_DEFINITION, DEFINER, SECURITY_TYPE, CHECK_OPTION"
                                      " FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1")
    found["rights on the server"] = rows(connection, "SHOW GRANTS FOR lookupd_reader")[:1]
    found["rights of columns"] = rows(connection, "SELECT User, Table_name, Column_name, Column_priv FROM mysql.columns_priv"
                                                  " WHERE Db = DATABASE() AND User LIKE 'lookupd%' ORDER BY 1, 2, 3")
    found["version"] = rows(connection, "SELECT version, one_row FROM schema_version")
    return found


def load(server, name):
    with open(name, "rb") as file:
        return subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", server.socket, "lookupd"], stdin=file,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


@pytest.fixture
def version_1(tmp_path):
    """The tables as they were."""
    path = tmp_path / "schema-1.sql"
    with gzip.open(os.path.join(ROOT, "tests", "system", "old", "schema-1.sql.gz")) as file:
        path.write_bytes(file.read())
    return str(path)


def an_open_transaction_stops_it_and_no_lookup(server):
    """Lookups wait behind a statement that waits for a table: it must give up soon."""
    left_open = server.connect(autocommit=False)
    rows(left_open, "SELECT name FROM domain")
    lookup = server.connect()
    ended = []
    thread = threading.Thread(target=lambda: ended.append(load(server, UPGRADE)))
    thread.start()
    try:
        while thread.is_alive():
            assert error_of(lookup, "SET STATEMENT max_statement_time = 10 FOR SELECT name FROM domain") == (0, "")
    finally:
        left_open.rollback()
        thread.join(60)
    assert ended[0].returncode != 0 and "Lock wait timeout exceeded" in ended[0].stdout


def test_upgrade(mariadb, root, version_1):
    """From version 1 with rows in it to what a new database is, in one go or after it stopped half-way."""
    root.close()
    mariadb.load("lookupd", SCHEMA)  # another test may have changed what was there
    root = mariadb.connect()
    new = definitions(root)
    for (role,) in rows(root, "SELECT User FROM mysql.user WHERE is_role = 'Y' AND User LIKE 'lookupd%'"):
        run(root, f"DROP ROLE {role}")  # rights outlive the tables that they are for
    run(root, "DROP USER lookupd_definer@localhost")
    root.close()
    mariadb.load("lookupd", version_1)
    root = mariadb.connect()
    try:
        run(root, "INSERT INTO source (name, account) VALUES ('bind:ns2', 'importer_ns2')",
            "INSERT INTO domain (name) VALUES ('a.example')",
            "INSERT INTO import_claim (source, name, route) VALUES ('bind:ns2', 'b.example', 'relay:')")
        before = rows(root, "SELECT * FROM history ORDER BY id")
        assert definitions(root) != new
        an_open_transaction_stops_it_and_no_lookup(mariadb)
        done = load(mariadb, UPGRADE)
        assert (done.returncode, done.stdout) == (0, "")
        assert definitions(root) == new
        assert one(root, "SELECT answering FROM service") == "yes"
        assert rows(root, "SELECT name FROM domain") == (("a.example",),)
        assert rows(root, "SELECT name, relay, route FROM import_claim") == (("b.example", None, "relay:"),)
        assert rows(root, "SELECT * FROM history ORDER BY id") == before
        # again: refused, and nothing is changed
        run(root, "UPDATE service SET answering = 'no'")
        done = load(mariadb, UPGRADE)
        assert done.returncode != 0 and "this file is for tables of version 1" in done.stdout
        # after it has stopped half-way: it goes on, and leaves the switch alone
        run(root, "UPDATE schema_version SET version = 1", "DROP TRIGGER service_after_update",
            "DROP PROCEDURE restore_row", "ALTER TABLE import_claim DROP relay")
        done = load(mariadb, UPGRADE)
        assert (done.returncode, done.stdout) == (0, "")
        assert definitions(root) == new and one(root, "SELECT answering FROM service") == "no"
    finally:
        run(root, "DROP DATABASE lookupd")
        root.close()
