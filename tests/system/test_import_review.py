"""lookupd-import against what a hostile review thought of: rights that change under a run, zones that
are small as files and large as names."""

import os
import subprocess

import pytest

from importing import PROGRAM, everything, finish, last_run, names, wait_for_lock
from sql import ADMIN, rows, run

pytest_plugins = ("import_fixtures", "sql_fixtures")
pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="lookupd-import is not built (-Dimport)")


def test_a_source_that_is_taken_away_meanwhile(root, site, mariadb):
    """Without its source an account is a person's to the triggers: an update would make the rows people's."""
    site.add("a.example", "b.example")
    site.run()
    before = everything(root)
    site.write_conf('relay_form = "hosts";')
    admin = mariadb.connect(ADMIN)
    run(admin, "START TRANSACTION", "UPDATE source SET account = 'importer_ns1' WHERE name = 'bind:ns2'")
    process = site.start()  # it has seen the old account, and waits with its run's row for the source's
    wait_for_lock(root)
    run(admin, "COMMIT")
    code, said = finish(process)
    assert code == 78 and "is the account importer_ns1's" in said
    assert [row[:8] for row in everything(root)[0]] == [row[:8] for row in before[0]]
    assert {source for (source,) in rows(root, "SELECT source FROM domain")} == {"bind:ns2"}
    assert last_run(root)[0] == "failed"
    admin.close()


def test_without_open_descriptors(root, site):
    """What is opened first must not take the numbers of standard output and error: what is said there
    would go to the database."""
    site.add("a.example", "b.example")
    os.unlink(site.zone_file("b.example"))
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" -v >&- 2>&-', PROGRAM, site.conf], timeout=60, check=False)
    assert done.returncode == 1
    assert names(root) == ["a.example"] and last_run(root)[0] == "partial"
    assert os.path.getsize(site.path("lock")) == 0


def test_output_that_cannot_be_written(root, site):
    site.add("a.example")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([PROGRAM, "-c", site.conf, "-v"], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
    assert done.returncode == 74 and "cannot write" in done.stderr
    assert names(root) == ["a.example"] and last_run(root)[0] == "done"


def test_explain_writes_no_octet_that_is_not_printable(site):
    site.add("a.example")
    with open(site.path("list"), "rb") as file:
        text = file.read().replace(b'"a.example.db"', b'"a\x1b[31m\xff.db"')
    with open(site.path("list"), "wb") as file:
        file.write(text)
    done = subprocess.run([PROGRAM, "-c", site.conf, "--explain", "a.example"], capture_output=True, timeout=60,
                          check=True)
    assert b"a\\027[31m\\255.db: could not be read" in done.stdout
    assert not set(done.stdout + done.stderr) - set(range(0x20, 0x7f)) - {0x0a}
