"""The SQL of the built-in maps, taken from `lookupd -T` and run as it stands: every part reads by a
primary key with the parameters that a session of lookupd binds, what "query" returns for a key is
what "all" says of it, and the answers are those of the manual page. No lookupd serves here."""

import os
import re
import subprocess

import pytest

from sandbox import DATABASE, SCHEMA, Sandbox

LISTENER = 'listeners = ( { protocol = "socketmap"; address = "unix:/nowhere/s"; } );\n'

MANY = 1000  # rows beside those of a test, so that reading them all is no bargain

ROWS = """
INSERT INTO relay (name, transport, nexthop, enabled)
  VALUES ('hq', 'smtp', '[10.0.0.1]:25', 1), ('off', 'relay', '[10.0.0.2]:25', 0);
INSERT INTO domain (name, relay, route, recipients, enabled) VALUES
  ('a.example', 'hq', NULL, 'listed', 1), ('b.example', 'off', NULL, 'any', 1),
  ('c.example', 'off', 'smtp:[10.9.9.9]:25', 'any', 1), ('d.example', NULL, NULL, 'any', 1),
  ('e.example', 'hq', 'smtp:[10.9.9.9]:25', 'any', 0), ('.f.example', 'hq', NULL, 'any', 1);
INSERT INTO recipient (address, route, enabled) VALUES
  ('u@a.example', NULL, 1), ('r@a.example', 'lmtp:[10.0.0.3]:24', 1),
  ('x@a.example', 'lmtp:[10.0.0.3]:24', 0), ('mü@a.example', NULL, 1);
INSERT INTO alias (address, goto, enabled) VALUES
  ('@a.example', 'catch@z.example', 1), ('u@a.example', 'v@z.example', 0),
  ('r@a.example', 'w@z.example', 1), ('off@a.example', 'v@z.example', 0);
INSERT INTO access (map, pattern, action, enabled) VALUES
  ('client', '192.0.2', 'REJECT', 1), ('client', '192.0.2.1', 'OK', 0), ('sender', 'user@', 'DUNNO', 1),
  ('sender', 'a.example', 'REJECT', 1), ('recipient', 'u@a.example', 'HOLD', 1);
INSERT INTO domain (name) SELECT CONCAT('x', seq, '.example') FROM seq_1_to_{many};
INSERT INTO recipient (address) SELECT CONCAT('u', seq, '@a.example') FROM seq_1_to_{many};
INSERT INTO alias (address, goto) SELECT CONCAT('al', seq, '@a.example'), 'k@z.example'
  FROM seq_1_to_{many};
INSERT INTO access (map, pattern, action) SELECT 'sender', CONCAT('u', seq, '@a.example'), 'OK'
  FROM seq_1_to_{many};
INSERT INTO access (map, pattern, action) SELECT 'recipient', CONCAT('u', seq, '@a.example'), 'OK'
  FROM seq_1_to_{many};
INSERT INTO access (map, pattern, action) SELECT 'client', CONCAT('u', seq, '.example'), 'OK'
  FROM seq_1_to_{many};
ANALYZE TABLE domain, relay, recipient, alias, access
"""

LISTS = {
    "addresses": ["u@a.example", "r@a.example", "x@a.example", "off@a.example", "mü@a.example",
                  "u7@a.example", "nobody@a.example"],
    "at_domains": ["@a.example", "@.example"],
    "domains": ["a.example", "b.example", "c.example", "d.example", "e.example", ".f.example",
                "x7.example", "nothing.example"],
    "locals": ["user@", "u@"],
    "clients": ["192.0.2.1", "192.0.2", "u7.example"],
}

RETRY = "retry:4.3.0 relaying for this domain is disabled"

# What each query returns for all of LISTS: an absent row is no answer, None is "not found".
ANSWERS = {
    "relay_domains": {"a.example": "a.example", "b.example": "b.example", "c.example": "c.example",
                      "d.example": "d.example", "e.example": None, ".f.example": ".f.example",
                      "x7.example": "x7.example"},
    "transport": {"r@a.example": "lmtp:[10.0.0.3]:24", "a.example": "smtp:[10.0.0.1]:25",
                  "b.example": "hold:", "c.example": "smtp:[10.9.9.9]:25", "d.example": "relay:",
                  "e.example": RETRY, ".f.example": "smtp:[10.0.0.1]:25", "x7.example": "relay:"},
    "relay_recipients": {"u@a.example": "u@a.example", "r@a.example": "r@a.example",
                         "x@a.example": None, "mü@a.example": "mü@a.example",
                         "u7@a.example": "u7@a.example", "a.example": None,
                         "b.example": "b.example", "c.example": "c.example",
                         "d.example": "d.example", "e.example": "e.example",
                         ".f.example": ".f.example", "x7.example": "x7.example"},
    "virtual_aliases": {"u@a.example": "u@a.example", "r@a.example": "w@z.example",
                        "mü@a.example": "mü@a.example", "u7@a.example": "u7@a.example",
                        "@a.example": "catch@z.example"},
    "client_access": {"192.0.2": "REJECT", "u7.example": "OK"},
    "sender_access": {"user@": "DUNNO", "a.example": "REJECT", "u7@a.example": "OK"},
    "recipient_access": {"u@a.example": "HOLD", "u7@a.example": "OK"},
}


def text_of(map_text, name):
    """The value of a setting that is a text, from what -T prints (pieces, escapes)."""
    pieces = re.search(name + r' = ((?:"(?:[^"\\]|\\.)*"\s*)+);', map_text).group(1)
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', pieces)
    return re.sub(r"\\(.)", r"\1", "".join(found))


def built_in_maps(folder):
    """{name: (query, all)} of the built-in maps, as lookupd -T prints them. folder: a pathlib.Path."""
    conf = folder / "lookupd.conf"
    conf.write_text(LISTENER, encoding="utf-8")
    lookupd = os.path.join(Sandbox(str(conf.parent)).programs, "lookupd")
    printed = subprocess.run([lookupd, "-c", str(conf), "-T"], capture_output=True, text=True,
                             check=True, timeout=60).stdout
    group = printed[printed.index("\nmaps = {"):]
    found = {name: (text_of(text, "query"), text_of(text, "all"))
             for name, text in re.findall(r"^    (\w+) = \{(.*?)^    \};", group, re.M | re.S)}
    assert set(found) == set(ANSWERS)
    return found


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    return built_in_maps(tmp_path_factory.mktemp("conf"))


@pytest.fixture(scope="module")
def session(mariadb):
    """Nothing here changes a row: filled once."""
    mariadb.load(DATABASE, SCHEMA)
    connection = mariadb.connect()
    with connection.cursor() as cursor:
        for statement in ROWS.format(many=MANY).split(";"):
            cursor.execute(statement)
        cursor.execute("SET NAMES utf8mb4 COLLATE utf8mb4_bin")
    yield connection
    connection.close()


def run_prepared(session, sql, values, before=""):
    """Runs a query that names lists, prepared, with parameters, as lookupd does."""
    bound = []

    def places(match):
        bound.extend(values[match.group(1)])
        return ",".join("?" * len(values[match.group(1)]))

    sql = before + re.sub(r":(\w+)(?=[,)])", places, sql)
    with session.cursor() as cursor:
        cursor.execute("PREPARE s FROM %s", (sql,))
        for index, value in enumerate(bound):
            cursor.execute(f"SET @p{index} = %s", (value,))
        using = " USING " + ",".join(f"@p{index}" for index in range(len(bound))) if bound else ""
        cursor.execute("EXECUTE s" + using)
        return cursor.fetchall(), [column[0] for column in cursor.description]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_answers(maps, session, name):
    rows, columns = run_prepared(session, maps[name][0], LISTS)
    assert len(columns) == 2
    assert len(rows) == len(dict(rows)), "two rows for one key"
    assert dict(rows) == ANSWERS[name]


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_reads_by_primary_key(maps, session, name):
    rows, columns = run_prepared(session, maps[name][0], LISTS, "EXPLAIN ")
    plan = [dict(zip(columns, row)) for row in rows]
    tables = [step for step in plan if not step["table"].startswith("<union")]
    assert tables
    for step in tables:
        assert step["key"] == "PRIMARY" and step["type"] in ("range", "eq_ref", "const"), step
        assert int(step["rows"]) < 40, step


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_query_and_all_are_a_pair(maps, session, name):
    query, every = maps[name]
    copy, _ = run_prepared(session, every, {})
    assert len(copy) >= MANY
    wanted = {key for keys in LISTS.values() for key in keys}
    used = {key for word in re.findall(r":(\w+)(?=[,)])", query) for key in LISTS[word]}
    from_copy = {row for row in copy if row[0] in wanted & used}
    rows, _ = run_prepared(session, query, LISTS)
    assert set(rows) == from_copy


def test_non_ascii_keys_do_not_fail_ascii_ones(maps, session):
    """Names that no domain can have come only by a fault; a query must not fail for all then."""
    values = {**LISTS, "domains": LISTS["domains"] + ["bücher.example"]}
    for name, (query, _) in maps.items():
        rows, _ = run_prepared(session, query, values)
        assert dict(rows) == ANSWERS[name], name
