"""scripts/demo shows what it promises, and leaves nothing."""

import os
import re
import subprocess

import pytest

from conftest import ROOT


@pytest.mark.skipif(os.getuid() != 0, reason="Postfix's master runs only as root")
def test_demo():
    before = set(os.listdir("/tmp"))
    done = subprocess.run([os.path.join(ROOT, "scripts", "demo")], cwd="/", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
                          check=False)
    assert done.returncode == 0, done.stdout
    assert "\033" not in done.stdout  # colours are for terminals
    said = re.sub(r"\s+", " ", done.stdout)
    for part in (
            r"\$ postmap -q example.com socketmap:unix:lookupd/socketmap:relay_domains example.com ",
            r"transport relay:\[127\.0\.0\.1\]:\d+ ",
            r"At the primary: MAIL FROM:<alice@sender.test> RCPT TO:<user@example.com> ",
            r"bob@sender.test> 250 2.1.0 Ok RCPT TO:<info@new.example.org> 554 .*"
            r"INSERT INTO domain .*carol@sender.test> 250 2.1.0 Ok RCPT TO:<info@new.example.org> 250 .*"
            r"SET enabled = 0 .*dave@sender.test> 250 2.1.0 Ok RCPT TO:<info@new.example.org> 554 "):
        assert re.search(part, said), done.stdout
    assert not {name for name in set(os.listdir("/tmp")) - before if name.startswith("lookupd-demo")}
