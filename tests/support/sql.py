"""What the tests of sql/ share: accounts of every role, and statements that must be refused."""

import contextlib
import os
import subprocess

import pymysql

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCHEMA = os.path.join(ROOT, "sql", "schema.sql")
ACCOUNTS = os.path.join(ROOT, "sql", "accounts.example.sql")

# The accounts of sql/accounts.example.sql, by role.
READER, IMPORTER, OPERATOR, ADMIN, AUDITOR, TENANT = (
    "lookupd", "importer_ns2", "olga", "adam", "audrey", "tina")
EXAMPLE_ACCOUNTS = (READER, IMPORTER, OPERATOR, ADMIN, AUDITOR, TENANT)

SIGNALLED = 1644  # ER_SIGNAL_EXCEPTION: the text of one of our triggers
CONSTRAINT = 4025  # ER_CONSTRAINT_FAILED
DENIED = (1044, 1142, 1143, 1227, 1370, 1410)  # access denied: to what, by which right


def make_accounts(server, database="lookupd"):
    """Loads sql/accounts.example.sql as a DBA would; then lets tests log in without being those
    users of the system."""
    with open(ACCOUNTS, "rb") as file:
        subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", server.socket, database],
                       stdin=file, check=True, timeout=60)
    root = server.connect(database=database)
    with root.cursor() as cursor:
        for account in EXAMPLE_ACCOUNTS:
            cursor.execute(f"ALTER USER {account}@localhost IDENTIFIED BY ''")
    return root


def fresh(server, database="lookupd"):
    """Empty tables, and the example accounts; returns root's connection. Loads the schema only when
    it is not there: that takes longer than emptying. A test that changes the schema itself asks for
    the fixture database before, and drops the database behind it."""
    with contextlib.closing(server.connect(database=None)) as root:
        loaded = rows(root, "SELECT 1 FROM information_schema.TABLES"
                            " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'schema_version'", (database,))
        for (session,) in rows(root, "SELECT id FROM information_schema.PROCESSLIST WHERE db = %s", (database,)):
            error_of(root, "KILL %s", (session,))
    if not loaded:
        server.load(database, SCHEMA)
        return make_accounts(server, database)
    root = server.connect(database=database)
    run(root, "SET foreign_key_checks = 0")
    for (table,) in rows(root, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
                               " AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME NOT IN ('schema_version', 'service')"):
        if rows(root, f"SELECT 1 FROM `{table}` LIMIT 1"):
            run(root, f"TRUNCATE TABLE `{table}`")
    run(root, "SET foreign_key_checks = 1")
    if rows(root, "SELECT 1 FROM mysql.user WHERE user = %s", (OPERATOR,)):
        run(root, "INSERT INTO source (name, account) VALUES ('bind:ns2', 'importer_ns2')", "TRUNCATE TABLE history")
    else:
        make_accounts(server, database)
    return root


def rows(connection, statement, args=None):
    with connection.cursor() as cursor:
        cursor.execute(statement, args)
        return cursor.fetchall()


def one(connection, statement, args=None):
    """The only row, or the only value when it has one column."""
    found = rows(connection, statement, args)
    assert len(found) == 1, (statement, found)
    return found[0][0] if len(found[0]) == 1 else found[0]


def run(connection, *statements):
    """Runs statements; returns the count of rows that the last one touched."""
    with connection.cursor() as cursor:
        count = 0
        for statement in statements:
            count = cursor.execute(statement)
        return count


def error_of(connection, statement, args=None):
    """(number, text) of the error that a statement ends with; (0, '') when it works."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, args)
            cursor.fetchall()
            while cursor.nextset():
                cursor.fetchall()
    except pymysql.err.MySQLError as error:
        return error.args[0], error.args[1]
    return 0, ""


def refused(connection, statement, args=None):
    """The text of the trigger that refuses a statement."""
    number, text = error_of(connection, statement, args)
    assert number == SIGNALLED, (statement, args, number, text)
    return text


def denied(connection, statement):
    """Asserts that the account has no right to a statement."""
    number, text = error_of(connection, statement)
    assert number in DENIED, (statement, number, text)
