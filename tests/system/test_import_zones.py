"""What lookupd-import reads of real zones, beside what BIND's own programs say of the same files, today.

tests/zones/judge holds what they said once; here they are asked again, so that another version of BIND is
another judge.
"""

import os
import re
import shutil
import subprocess

import pytest

from importing import PROGRAM

HERE = os.path.dirname(os.path.abspath(__file__))
ZONES = os.path.join(os.path.dirname(HERE), "zones")
OURS = "backup.mx-host.net"
# What is no mail domain of anybody's: bind.md's and RFC 6761's, of those in the samples.
SKIPPED = re.compile(r"(^|\.)(arpa|localhost)$|^\.$")

pytestmark = pytest.mark.skipif(not os.path.exists(PROGRAM), reason="lookupd-import is not built (-Dimport)")


@pytest.fixture
def samples(folder):
    """The folder of a copy, with its own path in its configuration."""
    copy = os.path.join(folder, "zones")
    shutil.copytree(ZONES, copy)
    for directory, _, files in os.walk(copy):
        for name in files:
            if not name.endswith(".conf"):
                continue
            path = os.path.join(directory, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("@SAMPLES@", copy))
    return copy


def said_by(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60,
                          check=True).stdout


class Importer:
    def __init__(self, folder, named_conf, more=""):
        self.conf = os.path.join(folder, "import.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(f'source = "bind:ns2"; my_names = ( "{OURS}" ); named_conf = "{named_conf}";\n'
                       f'lock_file = "{folder}/lock"; database = {{ hosts = ( "unix:{folder}/none" ); }};\n{more}')

    def explain(self, name):
        done = subprocess.run([PROGRAM, "-c", self.conf, "--explain", name], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout


def compiled_mx(zone, path, journal):
    """The MX records at a zone's own name, as named-compilezone has them: (preference, target), best first."""
    with open(path, "rb") as file:
        form = "raw" if file.read(4) == b"\0\0\0\2" else "text"
    more = ["-J", journal] if journal else ["-j"] if os.path.exists(path + ".jnl") else []
    text = said_by("named-compilezone", "-q", "-i", "none", "-k", "ignore", "-n", "ignore", "-m", "ignore",
                   "-M", "ignore", "-S", "ignore", "-f", form, "-F", "text", "-s", "full", *more, "-o", "-",
                   zone, path)
    found = set()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 6 and fields[3] == "MX" and fields[0].lower().rstrip(".") == zone:
            found.add((int(fields[4]), fields[5].lower().rstrip(".") or "."))
    return found


def explained_mx(text):
    return {(int(preference), target or ".")
            for preference, target in re.findall(r"^    MX (\d+) (\S+?)\.?: ", text, re.MULTILINE)}


def test_zones_and_mx_records_as_bind_has_them(folder, samples):
    named_conf = os.path.join(samples, "secA", "named.conf")
    importer = Importer(folder, named_conf)
    listed = [line.split() for line in said_by("named-checkconf", "-l", named_conf).splitlines()]
    assert len(listed) > 30
    compared = 0
    for name, _, view, kind in listed:
        name = name.lower().rstrip(".") or "."
        if kind not in ("secondary", "slave") or SKIPPED.search(name) or name == "catalog.example":
            continue
        text = importer.explain(name)
        found = re.search(r"^  zone (\S+), view (\S+), file (.*?)(, serial \d+|: could not be read .*)$", text,
                          re.MULTILINE)
        assert found, (name, text)
        assert found.group(1, 2) == (name, view)
        path = found.group(3)
        if not os.path.exists(path):
            assert "could not be read" in found.group(4), text
            continue
        journal = os.path.join(samples, "secA", "slaves", "other-name.jnl") if name == "jnl.example" else None
        records = compiled_mx(name, path, journal)
        assert explained_mx(text) == records, name
        compared += len(records) > 0
    assert compared >= 18


def test_what_is_not_listed_as_secondary_is_not_read(folder, samples):
    named_conf = os.path.join(samples, "secA", "named.conf")
    importer = Importer(folder, named_conf)
    for name in ("stub.example", "fwd.example", "commented.example", "commented2.example"):
        assert "  zone " not in importer.explain(name)
    assert "this server is its primary" in importer.explain("rpz.example")


def test_a_tricky_configuration(folder, samples):
    """Quotes, comments, globs, odd names: BIND's list and ours have the same zones."""
    named_conf = os.path.join(samples, "conf", "tricky.conf")
    importer = Importer(folder, named_conf)
    for line in said_by("named-checkconf", "-l", named_conf).splitlines():
        name, _, view, kind = line.rsplit(" ", 3)
        if kind not in ("secondary", "slave") or not re.fullmatch(r"[A-Za-z0-9.-]+\.example\.?", name) \
                or name in ("rpz.example", "cat.example"):
            continue
        assert f"  zone {name.lower().rstrip('.')}, view {view}, " in importer.explain(name.rstrip(".").lower()), line


def test_zones_of_addzone(folder, samples):
    """named-nzd2nzf reads the database that named wrote."""
    importer = Importer(folder, os.path.join(samples, "secA", "named.conf"),
                        f'added_zones = ( "{samples}/secA/_default.nzd" );')
    text = importer.explain("added.example")
    assert text.startswith("added.example: relayed, route relay:\n")
    assert explained_mx(text) == compiled_mx(
        "added.example", os.path.join(samples, "secA", "slaves", "added.example.db"), None)
