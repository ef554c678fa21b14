"""scripts/demo shows what it promises, and leaves nothing."""

import os
import re
import subprocess

import pytest

from conftest import ROOT
from processes import all_pids, title


@pytest.mark.skipif(os.getuid() != 0, reason="Postfix's master runs only as root")
def test_demo():
    before = set(os.listdir("/tmp"))
    pids = set(all_pids())
    done = subprocess.run([os.path.join(ROOT, "scripts", "demo")], cwd="/", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                          check=False)
    assert done.returncode == 0, done.stdout
    assert "\033" not in done.stdout  # colours are for terminals
    said = re.sub(r"\s+", " ", done.stdout)
    for part in (
            r"\$ lookupd-import --dry-run \+ example.com relay: \(better-mx, zone example.com, serial 1\) \+ example.org ",
            r"elsewhere.example: not relayed not-ours: ",
            r"domains 2 new, 0 changed.* example.com relay: any 1 bind:ns2 example.org relay: any 1 bind:ns2 ",
            r"\$ postmap -q example.com socketmap:unix:lookupd/socketmap:relay_domains example.com ",
            r"\$ postmap -q user@Example.COM socketmap:unix:lookupd/socketmap:transport relay: ",
            r"SET relay = 'hq'.*transport relay:\[127\.0\.0\.1\]:\d+ .*# example.com belongs to people",
            r"At the primary: MAIL FROM:<alice@sender.test> RCPT TO:<user@example.com> ",
            r"bob@sender.test> 250 2.1.0 Ok RCPT TO:<info@lists.example.org> 554 .*"
            r"1 with a journal ahead of the file.* 1 new, .*"
            r"carol@sender.test> 250 2.1.0 Ok RCPT TO:<info@lists.example.org> 250 .*"
            r"SET enabled = 0 .*dave@sender.test> 250 2.1.0 Ok RCPT TO:<info@lists.example.org> 554 ",
            r"lists.example.org NULL relay: 0 bind:ns2 root@localhost .*"
            r"\$ kill \d+ .*erin@sender.test> 250 2.1.0 Ok RCPT TO:<user@example.com> 250 2.1.5 Ok DATA 250 .*"
            r"frank@sender.test> 250 2.1.0 Ok RCPT TO:<user@new.example> 451 .*warning: answering from the snapshot of .*"
            r"grace@sender.test> 250 2.1.0 Ok RCPT TO:<user@new.example> 250 "):
        assert re.search(part, said), done.stdout
    assert not [left for pid in set(all_pids()) - pids if "lookupd-demo" in (left := title(pid))]
    assert not {name for name in set(os.listdir("/tmp")) - before if name.startswith("lookupd-demo")}
