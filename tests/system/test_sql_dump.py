"""Dump and restore as sql/README.md says, to the same server and to an empty one; loading twice."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import new_folder
from private_mariadb import PrivateMariaDB
from sql import ADMIN, OPERATOR, ROOT, SCHEMA, TENANT, denied, error_of, fresh, make_accounts, one, refused, rows, run

RIGHTS = os.path.join(ROOT, "sql", "rights.sql")


@pytest.fixture
def root(mariadb):
    connection = fresh(mariadb)
    run(connection, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[a.example]')",
        "INSERT INTO relay_tenant (relay, tenant) VALUES ('hq', 'tina')",
        "INSERT INTO domain (name, relay, owner, note) VALUES ('a.example', 'hq', 'tina', 'ü \"quoted\" \\\\ back')",
        "INSERT INTO domain (name, source) VALUES ('z.example', 'bind:ns2')",
        "INSERT INTO recipient (address) VALUES ('ä@a.example'), ('\"a\\\\\"b\"@a.example')",
        "INSERT INTO alias (address, goto) VALUES ('@a.example', '@b.example')",
        "INSERT INTO access (map, pattern, action) VALUES ('client', '2001:db8', 'OK')",
        "INSERT INTO import_claim (source, name) VALUES ('bind:ns2', 'z.example')",
        "INSERT INTO import_run (source) VALUES ('bind:ns2')", "UPDATE domain SET enabled = 0 WHERE name = 'z.example'")
    yield connection
    connection.close()


def client(server, *arguments, text=None):
    return subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", server.socket, *arguments], input=text,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def documented():
    """The dump command of sql/README.md, with the options that it names."""
    with open(os.path.join(ROOT, "sql", "README.md"), encoding="utf-8") as file:
        return re.search(r"^    mariadb-dump (.*) lookupd > lookupd\.sql$", file.read(), re.M).group(1).split()


def dump(server):
    done = subprocess.run(["mariadb-dump", "--no-defaults", "-uroot", "-S", server.socket, *documented(), "lookupd"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=True)
    return done.stdout


VIEWS = ("effective_route", "my_domain", "my_recipient", "my_relay")


def contents(connection, kind="BASE TABLE"):
    tables = [table for (table,) in rows(connection, "SELECT TABLE_NAME FROM information_schema.TABLES"
                                                     " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = %s", (kind,))]
    assert len(tables) == {"BASE TABLE": 12, "VIEW": len(VIEWS)}[kind]
    tables = [table for table in tables if table != "service"]  # its row is not in a dump
    return {table: rows(connection, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}


def programs(connection):
    """Triggers, routines, events and views: how many, and as whom."""
    return [rows(connection, statement) for statement in (
        "SELECT TRIGGER_NAME, DEFINER, SQL_MODE, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() ORDER BY 1",
        "SELECT ROUTINE_NAME, DEFINER, SECURITY_TYPE, SQL_MODE, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY 1",
        "SELECT TABLE_NAME, DEFINER, SECURITY_TYPE, CHECK_OPTION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1",
        "SELECT EVENT_NAME, DEFINER, EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() ORDER BY 1",
        "SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() ORDER BY 1, 2")]


def test_restored_on_the_same_server(mariadb, root):
    """Under another name and back: the same rows, history included, and nothing written by triggers."""
    before, seen, made = contents(root), contents(root, "VIEW"), programs(root)
    text = dump(mariadb)
    assert client(mariadb, "-e", "DROP DATABASE IF EXISTS copy; CREATE DATABASE copy CHARACTER SET latin1").returncode == 0
    done = client(mariadb, "copy", text=text)
    assert (done.returncode, done.stdout) == (0, "")
    copy = mariadb.connect(database="copy")
    try:
        assert contents(copy) == before
        assert rows(copy, "SELECT * FROM service") == (), "it is a person who says that all is there"
        assert programs(copy) == made
        # rights are of the database they were given in: before rights.sql not even the definer has any
        assert error_of(copy, "INSERT INTO domain (name) VALUES ('b.example')")[0] in (1142, 1370)
        with open(RIGHTS, encoding="utf-8") as file:
            done = client(mariadb, "copy", text=file.read())
        assert (done.returncode, done.stdout) == (0, "")
        assert contents(copy, "VIEW") == seen
        assert "single label" in refused(copy, "INSERT INTO domain (name) VALUES ('example')")
        operator = mariadb.connect(OPERATOR, database="copy")
        run(operator, "INSERT INTO domain (name) VALUES ('B.example')",
            "CALL restore_row('domain', 'z.example', (SELECT MIN(at) FROM history WHERE row_key = 'z.example'))")
        assert one(copy, "SELECT enabled FROM domain WHERE name = 'z.example'") == 1
    finally:
        run(copy, "DROP DATABASE copy")


def test_restored_on_an_empty_server(mariadb, root):
    """What is missing there says so, and rights.sql brings it."""
    text, before = dump(mariadb), contents(root)
    folder = new_folder()
    other = PrivateMariaDB(folder)
    try:
        other.start()
        assert client(other, "-e", "CREATE DATABASE lookupd").returncode == 0
        done = client(other, "lookupd", text=text)
        assert (done.returncode, done.stdout) == (0, "")
        there = other.connect()
        assert contents(there) == before
        assert error_of(there, "INSERT INTO domain (name) VALUES ('b.example')") == (
            1449, "The user specified as a definer ('lookupd_definer'@'localhost') does not exist")
        for _ in range(2):
            with open(RIGHTS, encoding="utf-8") as file:
                done = client(other, "lookupd", text=file.read())
            assert (done.returncode, done.stdout) == (0, "")
        make_accounts(other).close()
        run(other.connect(ADMIN), "INSERT INTO domain (name) VALUES ('b.example')")
        tenant = other.connect(TENANT)
        assert rows(tenant, "SELECT name, note FROM my_domain") == (("a.example", 'ü "quoted" \\ back'),)
        denied(tenant, "SELECT * FROM domain")
        assert rows(there, "SELECT version FROM schema_version") == ((2,),)
    finally:
        other.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_loaded_twice(mariadb, root):
    """A second load stops at once and changes nothing."""
    before = contents(root)
    with open(SCHEMA, encoding="utf-8") as file:
        done = client(mariadb, "lookupd", text=file.read())
    assert done.returncode != 0 and "already exists" in done.stdout
    assert contents(root) == before
    assert error_of(root, "INSERT INTO schema_version (version) VALUES (3)")[0] == 1062


def test_rights_are_those_of_the_schema():
    def sections(name):
        with open(name, encoding="utf-8") as file:
            parts = re.split(r"^-- -{80,}\n", file.read(), flags=re.M)
        return {part[:5]: part.strip() for part in parts}
    schema, rights = sections(SCHEMA), sections(RIGHTS)
    assert rights["-- 2."] == schema["-- 2."] and rights["-- 8."] == schema["-- 8."]


def test_every_table_is_fit_for_replicas(root):
    """InnoDB and a primary key, as Galera wants; functions that a server with a binary log takes."""
    assert rows(root, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
                      " AND TABLE_TYPE = 'BASE TABLE' AND ENGINE <> 'InnoDB'") == ()
    assert one(root, "SELECT COUNT(DISTINCT TABLE_NAME) FROM information_schema.STATISTICS"
                     " WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'PRIMARY'") == 12
    assert rows(root, "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()"
                      " AND ROUTINE_TYPE = 'FUNCTION' AND SQL_DATA_ACCESS NOT IN ('NO SQL', 'READS SQL DATA')") == ()
    assert rows(root, "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
                      " AND CHARACTER_SET_NAME IS NOT NULL AND CHARACTER_SET_NAME <> 'utf8mb4'"
                      " AND TABLE_NAME NOT LIKE 'my\\_%'") == ()
