"""Sequences of events over many runs, by chance: zones of two sources come, go and cannot be read, people
edit, delete and bring back rows, time passes. After each run the rows are held to what may have become
of them; whatever the order, people's rows and columns stay, and what is unknown stays."""

import os
import random

import pytest

from importing import PROGRAM, Site, everything, finish, let_hold_pass
from sql import error_of, rows

pytest_plugins = ("import_fixtures", "sql_fixtures")
pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="lookupd-import is not built (-Dimport)")

NAMES = ("a.example", "b.example", "s.b.example")
FENCE = ".b.example"
# what a zone can be like, and what its importer then knows about its name
RELAYED, NOT, UNKNOWN = True, False, None
STATES = {"backup": RELAYED, "plain": NOT, "absent": NOT, "missing": UNKNOWN,
          "backup, bad journal": RELAYED, "plain, bad journal": UNKNOWN}
EDITS = ("INSERT INTO domain (name, route, note) VALUES ('{name}', 'smtp:[10.0.0.1]:25', 'mine')",
         "UPDATE domain SET note = 'note {number}' WHERE name = '{name}'",
         "UPDATE domain SET enabled = NOT enabled WHERE name = '{name}'",
         "UPDATE domain SET recipients = IF(recipients = 'any', 'listed', 'any') WHERE name = '{name}'",
         "UPDATE domain SET owner = 'tenant {number}' WHERE name = '{name}'",
         "UPDATE domain SET route = 'smtp:[10.0.0.{digit}]:25' WHERE name = '{name}'",
         "UPDATE domain SET relay = 'hq' WHERE name = '{name}'",
         "UPDATE domain SET source = NULL WHERE name = '{name}'",
         "UPDATE domain SET source = '{source}' WHERE name = '{name}'",
         "DELETE FROM domain WHERE name = '{name}'",
         *4 * ("CALL restore_row('domain', '{name}', (SELECT at FROM history WHERE table_name = 'domain'"
               " AND row_key = '{name}' ORDER BY id DESC LIMIT 1 OFFSET {digit}))",),
         f"INSERT INTO domain (name, enabled) VALUES ('{FENCE}', 0)",
         f"DELETE FROM domain WHERE name = '{FENCE}'")


class Row:
    """One of the table domain."""

    def __init__(self, name, source, way, peoples):
        self.name, self.source, self.way, self.peoples = name, source, way, peoples

    def __eq__(self, other):
        return isinstance(other, Row) and vars(self) == vars(other)

    def __repr__(self):
        return repr(vars(self))


class Claim:
    """One of the table import_claim. over: gone for longer than hold; back: its row was brought back."""

    def __init__(self, gone, over, back):
        self.gone, self.over, self.back = gone, bool(over), bool(back)


def table(root):
    return {name: Row(name, source, (route, relay), tuple(peoples)) for name, source, route, relay, *peoples in rows(
        root, "SELECT name, source, route, relay, enabled, recipients, owner, note FROM domain")}


def claims(root):
    return {(source, name): Claim(*claim) for source, name, *claim in rows(
        root, "SELECT source, name, gone_since, gone_since <= NOW() - INTERVAL 1 DAY,"
              " kept_at >= gone_since + INTERVAL 1 SECOND FROM import_claim")}


class World:
    def __init__(self, seed, root, operator, sites):
        self.chance = random.Random(seed)
        self.root, self.operator, self.sites = root, operator, sites
        self.states = {(site.source, name): "absent" for site in sites for name in NAMES}
        self.kept = {}  # people's columns of a row that its importer has deleted
        self.story = []
        self.runs = 0
        for site in sites:
            site.add("keep." + site.account.replace("_", "-"))

    def change_zone(self, site, name):
        state = self.states[site.source, name] = self.chance.choice(list(STATES))
        self.story.append((site.source, name, state))
        for file in (site.zone_file(name), site.zone_file(name) + ".jnl"):
            if os.path.exists(file):
                os.unlink(file)
        site.drop(name)
        if state == "absent":
            return
        site.listed.append(name)
        site.write_list()
        if state != "missing":
            site.write_zone(name, mx=state.startswith("backup"))
        if state.endswith("journal"):
            with open(site.zone_file(name) + ".jnl", "wb") as journal:
                journal.write(b"damaged " * 20)

    def edit(self, site, name):
        statement = self.chance.choice(EDITS).format(name=name, source=site.source, number=len(self.story),
                                                     digit=self.chance.randrange(1, 4))
        before = table(self.root)
        self.story.append((statement, error_of(self.operator, statement)))
        if name in before or name in table(self.root):
            self.kept.pop(name, None)  # what people have done since counts, or nothing does

    def known(self, site, name):
        """What the importer knows about a name; the parent's zone decides where there is no other."""
        state = STATES[self.states[site.source, name]]
        if name != "s.b.example" or self.states[site.source, name] != "absent":
            return state
        parent = self.states[site.source, "b.example"]
        return UNKNOWN if parent == "missing" or parent.endswith("journal") else NOT

    def run(self, site):
        before, claims_before = table(self.root), claims(self.root)
        code, said = finish(site.start())
        after, claims_after = table(self.root), claims(self.root)
        self.runs += 1
        self.story.append(("run", site.source, code, said, before, after))
        assert code in (0, 1)
        for name in (*NAMES, FENCE):
            known = self.known(site, name) if name in NAMES else NOT
            was, row = before.get(name), after.get(name)
            claim, claim_now = claims_before.get((site.source, name)), claims_after.get((site.source, name))
            heirs = {source for (source, claimed), other in claims_after.items()
                     if claimed == name and source != site.source and not other.gone}
            if was and was.source != site.source:
                assert row == was, (name, "is not its row")
            elif was:
                self.check_own(site, was, row, known, claim, heirs)
            else:
                fenced = name == "s.b.example" and FENCE in before
                assert (row is not None) == (known is RELAYED and not fenced), (name, row)
                if row and name in self.kept:
                    assert row.peoples == self.kept.pop(name), (name, "people's columns came back")
            if known is RELAYED:
                assert claim_now and not claim_now.gone
            elif known is NOT:
                assert not claim_now or claim_now.gone
            else:
                assert (claim and claim.gone) == (claim_now and claim_now.gone), (name, "nothing is known")

    def check_own(self, site, was, row, known, claim, heirs):
        """A row of this source before its run."""
        if row:
            assert row.peoples == was.peoples, "people's columns stay"
        if known is UNKNOWN:
            assert row == was
        elif known is RELAYED:
            assert row and row.source == site.source and row.way == ("relay:", None)
        elif row is None:
            assert not heirs and claim and claim.over and not claim.back, "deleted after hold, and not claimed"
            self.kept[was.name] = was.peoples
        else:
            assert row.source in (heirs or {site.source}), "it passes to an heir at once"

    def step(self):
        site, name, event = self.chance.choice(self.sites), self.chance.choice(NAMES), self.chance.random()
        if event < 0.25:
            self.change_zone(site, name)
        elif event < 0.42:
            self.edit(site, name)
        elif event < 0.54:
            let_hold_pass(self.root)
            self.story.append("hold passes")
        elif event < 0.56:
            before = everything(self.root)
            finish(site.start("--dry-run"))
            assert everything(self.root) == before
        else:
            self.run(site)


@pytest.mark.parametrize("seed, steps", [(1, 120), *(pytest.param(seed, 1000, marks=pytest.mark.long)
                                                     for seed in (2, 3))])
def test_sequences_of_events(root, operator, folder, mariadb, seed, steps):
    world = World(seed, root, operator, [Site(folder, mariadb), Site(folder, mariadb, "bind:ns1", "importer_ns1")])
    try:
        for _ in range(steps):
            world.step()
    except AssertionError as error:
        raise AssertionError("\n".join(map(str, (*world.story[-12:], error, world.states)))) from error
    assert world.runs > steps / 3
