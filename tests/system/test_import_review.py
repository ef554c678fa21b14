"""lookupd-import against what a hostile review thought of: rights that change under a run, zones that
are small as files and large as names."""

import os

import pytest

from importing import PROGRAM, everything, finish, last_run, wait_for_lock
from sql import ADMIN, rows, run

pytest_plugins = ("import_fixtures",)
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
