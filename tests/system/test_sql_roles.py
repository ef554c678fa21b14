"""Rights: what each role may do, and what not, as an account that has only that role. And tenants."""

import os
import subprocess

import pytest

from sql import (ADMIN, AUDITOR, DENIED, IMPORTER, OPERATOR, READER, ROOT, TENANT, denied, error_of, fresh, one, refused,
                 rows, run)

TABLES = ("relay", "relay_tenant", "source", "domain", "recipient", "alias", "access", "import_claim", "import_run",
          "history", "schema_version", "service")
VIEWS = ("effective_route", "my_domain", "my_recipient", "my_relay")

# role's account → what it may SELECT, and in what it may INSERT, UPDATE, DELETE anything at all
MAY = {
    READER: ("relay domain recipient alias access schema_version service", "", "", ""),
    IMPORTER: ("relay source domain recipient import_claim import_run schema_version",
               "domain recipient import_claim import_run", "domain recipient import_claim import_run",
               "domain recipient import_claim import_run"),
    OPERATOR: ("relay relay_tenant source domain recipient alias access import_claim import_run history schema_version service effective_route",
               "domain recipient alias access service", "domain recipient alias access service", "domain recipient alias access"),
    ADMIN: ("relay relay_tenant source domain recipient alias access import_claim import_run history schema_version service effective_route",
            "relay relay_tenant source domain recipient alias access service",
            "relay relay_tenant source domain recipient alias access import_claim service",
            "relay relay_tenant source domain recipient alias access import_claim import_run"),
    AUDITOR: (" ".join(TABLES + VIEWS), "", "", ""),
    TENANT: ("my_domain my_recipient my_relay", "", "my_domain my_recipient", ""),
}

# the column by which a right is tried: one that the role's column rights have, where it has them
TRY = {"relay": "name", "relay_tenant": "relay", "source": "name", "domain": "route", "recipient": "route", "alias": "goto",
       "access": "action", "import_claim": "route", "import_run": "zones", "history": "who", "schema_version": "version", "service": "note",
       "effective_route": "name", "my_domain": "note", "my_recipient": "note", "my_relay": "note"}


@pytest.fixture
def root(mariadb):
    connection = fresh(mariadb)
    yield connection
    connection.close()


@pytest.mark.parametrize("account", MAY)
def test_rights(mariadb, root, account):
    """Each right is tried with a statement that touches no row: what counts is whether it is denied."""
    connection = mariadb.connect(account)
    for verb, allowed in zip(("SELECT", "INSERT", "UPDATE", "DELETE"), MAY[account]):
        for table in TABLES + VIEWS:
            column = TRY[table]
            statement = {"SELECT": f"SELECT * FROM {table} WHERE FALSE",
                         "INSERT": f"INSERT INTO {table} ({column}) SELECT '1' FROM DUAL WHERE FALSE",
                         "UPDATE": f"UPDATE {table} SET {column} = '1' WHERE FALSE",
                         "DELETE": f"DELETE FROM {table} WHERE FALSE"}[verb]
            number, text = error_of(connection, statement)
            assert (number not in DENIED) == (table in allowed.split()), (statement, number, text)
    for statement in ("TRUNCATE TABLE domain", "DROP TABLE domain", "ALTER TABLE domain ADD x INT", "CREATE TABLE x (x INT)",
                      "DROP TRIGGER domain_before_update", "CREATE VIEW x AS SELECT 1", "LOCK TABLES domain WRITE",
                      "GRANT SELECT ON domain TO lookupd_reader", "SELECT * FROM mysql.user", "SET GLOBAL event_scheduler = ON",
                      "CREATE USER x", "FLUSH TABLES"):
        denied(connection, statement)


PROCEDURES = {"row_history('x', 'x')": {OPERATOR, ADMIN, AUDITOR},
              "restore_row('x', 'x', NOW())": {OPERATOR, ADMIN},
              "replace_recipients('x', '[]')": {OPERATOR, ADMIN},
              "prune_history(0)": {ADMIN}}


@pytest.mark.parametrize("account", MAY)
def test_procedures(mariadb, root, account):
    connection = mariadb.connect(account)
    for call, who in PROCEDURES.items():
        assert (error_of(connection, "CALL " + call)[0] not in DENIED) == (account in who), call


def test_nobody_logs_in_as_the_definer(mariadb, root):
    with pytest.raises(Exception, match="denied"):
        mariadb.connect("lookupd_definer")
    assert one(root, "SELECT JSON_VALUE(Priv, '$.account_locked') FROM mysql.global_priv WHERE User = 'lookupd_definer'") == "1"
    assert {definer for (definer,) in rows(root, """
        SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()
        UNION SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE()
        UNION SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = DATABASE()
        UNION SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()""")} == {"lookupd_definer@localhost"}


def test_a_server_that_checks_passwords(mariadb, root):
    """It makes no account without one, and the definer has none that anybody needs."""
    run(root, "DROP USER lookupd_definer@localhost", "INSTALL SONAME 'simple_password_check'")
    try:
        with open(os.path.join(ROOT, "sql", "rights.sql"), "rb") as file:
            done = subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", mariadb.socket, "lookupd"], stdin=file,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, "")
    finally:
        run(root, "UNINSTALL SONAME 'simple_password_check'")
    run(root, "INSERT INTO domain (name) VALUES ('a.example')")


def test_an_operators_day(mariadb, root):
    run(root, "INSERT INTO relay (name, nexthop) VALUES ('hq', '[mail.example.net]')")
    operator = mariadb.connect(OPERATOR)
    run(operator, "INSERT INTO domain (name, relay) VALUES ('a.example', 'hq')", "UPDATE domain SET note = 'x'",
        "INSERT INTO recipient (address) VALUES ('a@a.example')", "UPDATE recipient SET enabled = 0",
        "INSERT INTO alias (address, goto) VALUES ('b@a.example', 'a@a.example')", "UPDATE alias SET enabled = 0",
        "INSERT INTO access (map, pattern, action) VALUES ('client', '192.0.2', 'REJECT')", "UPDATE access SET action = 'OK'")
    assert rows(operator, "SELECT name, answer, why FROM effective_route") == (("a.example", "relay:[mail.example.net]", "relay hq"),)
    for table in ("domain", "recipient", "alias", "access"):
        assert rows(root, f"SELECT updated_by FROM {table}") == (("olga@localhost",),)
        run(operator, f"DELETE FROM {table}")
    denied(operator, "INSERT INTO relay (name, nexthop) VALUES ('lab', '[lab.example.net]')")
    denied(operator, "UPDATE relay SET enabled = 0")


@pytest.fixture
def tenant(mariadb, root):
    run(root, "INSERT INTO relay (name, nexthop, note) VALUES ('hq', '[a.example.net]', 'main'), ('lab', '[b.example.net]', NULL), ('vip', '[c.example.net]', NULL)",
        "INSERT INTO relay_tenant (relay, tenant) VALUES ('hq', 'tina'), ('lab', 'tina'), ('vip', 'tom')",
        "INSERT INTO domain (name, relay, owner) VALUES ('mine.example', 'hq', 'tina'), ('his.example', 'vip', 'tom'), ('ours.example', 'hq', NULL), ('vip.example', 'vip', 'tina')",
        "INSERT INTO domain (name, route, owner, source) VALUES ('imported.example', 'relay:', 'tina', 'bind:ns2')",
        "INSERT INTO recipient (address) VALUES ('a@mine.example'), ('a@his.example'), ('a@ours.example'), ('a@nowhere.example')")
    connection = mariadb.connect(TENANT)
    yield connection
    connection.close()


def test_a_tenant_sees_his_own(tenant):
    assert rows(tenant, "SELECT name FROM my_domain ORDER BY name") == (("imported.example",), ("mine.example",), ("vip.example",))
    assert rows(tenant, "SELECT address FROM my_recipient") == (("a@mine.example",),)
    assert rows(tenant, "SELECT name, note FROM my_relay ORDER BY name") == (("hq", "main"), ("lab", None))


def test_a_tenant_changes_what_he_may(root, tenant):
    run(tenant, "UPDATE my_domain SET enabled = 0, note = 'x', recipients = 'listed', relay = 'LAB' WHERE name = 'mine.example'")
    assert one(root, "SELECT enabled, note, recipients, relay, owner, updated_by FROM domain WHERE name = 'mine.example'") == (
        0, "x", "listed", "lab", "tina", "tina@localhost")
    run(tenant, "UPDATE my_recipient SET enabled = 0, note = 'left'")
    assert rows(root, "SELECT address, note FROM recipient WHERE NOT enabled") == (("a@mine.example", "left"),)
    # a row of an importer's becomes his, and goes where he says
    run(tenant, "UPDATE my_domain SET relay = 'lab' WHERE name = 'imported.example'")
    assert one(root, "SELECT relay, route, source, owner FROM domain WHERE name = 'imported.example'") == ("lab", None, None, "tina")
    assert one(root, "SELECT who FROM history WHERE row_key = 'imported.example' ORDER BY id DESC LIMIT 1") == "tina@localhost"


def test_a_tenant_changes_no_more(root, tenant):
    before = rows(root, "SELECT * FROM domain ORDER BY name"), rows(root, "SELECT * FROM recipient ORDER BY address")
    for relay in ("'vip'", "NULL"):
        assert refused(tenant, f"UPDATE my_domain SET relay = {relay} WHERE name = 'mine.example'") == (
            f"relay {relay.strip().replace(chr(39), chr(34))} is not among those that tina may choose for domains of his own: my_relay shows them")
    assert refused(tenant, "UPDATE my_domain SET relay = 'none' WHERE name = 'mine.example'").startswith('there is no relay "none"')
    for column in ("name", "route", "updated_by"):
        denied(tenant, f"UPDATE my_domain SET {column} = 'x'")
    for column in ("address", "route"):
        denied(tenant, f"UPDATE my_recipient SET {column} = 'x@mine.example'")
    for statement in ("INSERT INTO my_domain (name) VALUES ('new.example')", "DELETE FROM my_domain",
                      "INSERT INTO my_recipient (address) VALUES ('b@mine.example')", "DELETE FROM my_recipient",
                      "INSERT INTO my_relay (name) VALUES ('x')", "UPDATE my_relay SET enabled = 0", "DELETE FROM my_relay",
                      "SELECT * FROM domain", "UPDATE domain SET note = 'x'", "SELECT * FROM relay", "SELECT * FROM history"):
        denied(tenant, statement)
    # others' rows are not there for him
    assert run(tenant, "UPDATE my_domain SET enabled = 0 WHERE name IN ('his.example', 'ours.example')") == 0
    assert run(tenant, "UPDATE my_recipient SET enabled = 0 WHERE address <> 'a@mine.example'") == 0
    assert (rows(root, "SELECT * FROM domain ORDER BY name"), rows(root, "SELECT * FROM recipient ORDER BY address")) == before


def test_a_tenant_is_written_whole(root):
    """As from a file with the line ends of another system: he would see nothing, and nobody say why."""
    run(root, "INSERT INTO domain (name) VALUES ('a.example')", "INSERT INTO relay (name, nexthop) VALUES ('hq', '[a.example]')",
        "INSERT INTO relay_tenant (relay, tenant) VALUES ('hq', 'tina')")
    for name in ("tina\r", "tina ", "\ttina"):
        for statement in ("UPDATE domain SET owner = %s", "INSERT INTO domain (name, owner) VALUES ('b.example', %s)",
                          "UPDATE relay_tenant SET tenant = %s", "INSERT INTO relay_tenant (relay, tenant) VALUES ('hq', %s)"):
            assert "has a blank before or after it, or a control character" in refused(root, statement, (name,))


def test_a_tenant_does_not_take_all_connections(mariadb, root):
    connections = []
    try:
        with pytest.raises(Exception, match="max_user_connections"):
            for _ in range(30):
                connections.append(mariadb.connect(TENANT))
        assert 10 < len(connections) <= 20  # one of the test before may be about to end
    finally:
        for connection in connections:
            connection.close()


def test_a_user_name_is_taken_whole(mariadb, root, tenant):
    """tina@evil is not tina, whatever stands before the first @."""
    run(root, "CREATE OR REPLACE USER `tina@evil`@localhost", "GRANT lookupd_tenant TO `tina@evil`@localhost",
        "SET DEFAULT ROLE lookupd_tenant FOR `tina@evil`@localhost")
    other = mariadb.connect("tina@evil")
    assert rows(other, "SELECT name FROM my_domain") == rows(other, "SELECT name FROM my_relay") == ()


SECRETS = ("name = 'his.example' AND note + 0 = 1", "name IN ('his.example', 'ours.example') AND note + 0 = 1",
           "name > '' AND note + 0 = 1", "note + 0 = 1", "name = (SELECT 'his.example') AND note + 0 = 1",
           "note + 0 = 1 ORDER BY name LIMIT 1")


def test_a_tenants_condition_sees_his_rows_only(root, tenant):
    """A condition that warns of what it cannot read shows every row that it is tried on."""
    run(root, "UPDATE domain SET note = CONCAT('secret of ', name) WHERE NOT owner <=> 'tina'",
        "UPDATE recipient SET note = CONCAT('secret of ', address) WHERE domain <> 'mine.example'",
        "UPDATE relay SET note = CONCAT('secret of ', name) WHERE name = 'vip'",
        "UPDATE domain SET note = 'mine' WHERE owner = 'tina'")
    warned = 0
    for condition in SECRETS:
        for view, of in (("my_domain", condition), ("my_relay", condition.replace("his.example", "vip")),
                         ("my_recipient", condition.replace("name", "address").replace("'his", "'a@his").replace("'ours", "'a@ours"))):
            statements = [f"SELECT * FROM {view} WHERE {of}", f"SELECT * FROM {view} WHERE {of} FOR UPDATE"]
            if view != "my_relay" and "LIMIT" not in of:
                statements.append(f"UPDATE {view} SET enabled = enabled WHERE {of}")
            for statement in statements:
                said = [error_of(tenant, statement), *rows(tenant, "SHOW WARNINGS")]
                warned += len(said) - 1
                assert "secret" not in str(said), (statement, said)
    assert warned > 10, "these conditions do warn"


def test_a_tenants_update_locks_his_rows_only(mariadb, root, tenant):
    operator = mariadb.connect(OPERATOR)
    run(operator, "SET innodb_lock_wait_timeout = 0")
    for statement in ("UPDATE my_recipient SET note = 'x'", "SELECT * FROM my_recipient FOR UPDATE", "UPDATE my_domain SET note = 'x'",
                      "UPDATE my_domain SET note = 'x' WHERE name = 'his.example'"):
        run(tenant, "START TRANSACTION", statement)
        assert run(operator, "UPDATE recipient SET note = UUID() WHERE address = 'a@his.example'") == 1
        assert run(operator, "UPDATE domain SET note = UUID() WHERE name = 'his.example'") == 1
        run(tenant, "ROLLBACK")


def test_nobody_stands_a_table_of_his_own_before_the_triggers(mariadb, root):
    """A temporary table named history takes what triggers write; one named source says who is an importer."""
    for account in MAY:
        connection = mariadb.connect(account)
        for name in ("history", "source", "relay_tenant", "anything"):
            denied(connection, f"CREATE TEMPORARY TABLE {name} (x INT)")
    operator = mariadb.connect(OPERATOR)
    run(operator, "INSERT INTO domain (name) VALUES ('a.example')", "CALL replace_recipients('a.example', '[\"b\"]')")
    assert rows(root, "SELECT who, row_key FROM history WHERE table_name = 'recipient'") == (("olga@localhost", "b@a.example"),)


def test_check_option(root, tenant):
    """A tenant with more rights by mistake still cannot put a row into, or out of, what is his."""
    run(root, "GRANT UPDATE, INSERT ON my_domain TO tina@localhost", "GRANT INSERT ON my_recipient TO tina@localhost")
    try:
        assert error_of(tenant, "INSERT INTO my_domain (name) VALUES ('new.example')")[0] == 1369
        assert error_of(tenant, "INSERT INTO my_recipient (address) VALUES ('b@his.example')")[0] == 1369
    finally:
        run(root, "REVOKE UPDATE, INSERT ON my_domain FROM tina@localhost", "REVOKE INSERT ON my_recipient FROM tina@localhost")
