#!/usr/bin/python3
"""Measures lookupd beside its alternatives, on a sandbox of its own.

1. The same lookups over lookupd's socketmap and as the map's own statement for one key, prepared and
   run raw over the same kind of connection, one connection for each client.
2. Postfix's own `postmap -q -` through lookupd and through mysql: (one query for each derived key).

Everything compared is measured in turn, several rounds in one run, since machines are noisy: what
counts are the ratios, each taken within one round, of which the median is shown.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

from sandbox import Sandbox  # noqa: E402

CLIENTS = [1, 8, 64, 256]
RAW = [1, 8]


def fill(sandbox, domains):
    """Domains as the program tests/bench/lookups.c names them."""
    print(f"loading {domains} domains ...", flush=True)
    begun = time.monotonic()
    sandbox.sql("INSERT INTO relay (name, nexthop) VALUES ('hq', '[192.0.2.10]:25')")
    for first in range(0, domains, 20000):
        last = min(first + 20000, domains) - 1
        sandbox.sql("INSERT INTO domain (name, relay) SELECT CONCAT('d', LPAD(seq, 7, '0'), '.example', "
                    f"seq % 10, '.net'), 'hq' FROM seq_{first}_to_{last}")
    print(f"  {domains / (time.monotonic() - begun):,.0f} rows a second, through all triggers")


def measure(program, sandbox, name, domains, seconds, what):
    """(lookups a second, p50, p99 in microseconds)."""
    done = subprocess.run(
        [program, "-c", sandbox.conf, "-s", sandbox.env["SOCKETMAP"], "-m", name, "-t", str(seconds),
         "-p", str(domains), "-k", str(domains + domains // 5), what],
        capture_output=True, text=True, check=False, timeout=60 + seconds)
    if done.returncode != 0:
        sys.exit(f"bench: {what}: {done.stderr}")
    return tuple(float(field) for field in done.stdout.split("\t")[3:6])


def median(values):
    return statistics.median(values)


def compare_raw(program, sandbox, name, options):
    """Measures one map; returns {what: [(rate, p50, p99) of each round]}."""
    kinds = [f"raw:{n}" for n in RAW] + [f"lookupd:{n}" for n in CLIENTS]
    found = {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind in kinds:
            found[kind].append(
                measure(program, sandbox, name, options.domains, options.seconds, kind))
    print(f"\n{name}: {options.domains:,} domains, {options.rounds} rounds of {options.seconds} s, medians")
    print(f"  {'':<34}{'lookups/s':>11}{'p50 µs':>9}{'p99 µs':>9}")
    for kind in kinds:
        what, _, count = kind.partition(":")
        text = f"own statement, {count} connections" if what == "raw" else f"lookupd, {count} clients"
        rate, p50, p99 = (median(column) for column in zip(*found[kind]))
        print(f"  {text:<34}{rate:>11,.0f}{p50:>9,.0f}{p99:>9,.0f}")
    for lookupd, raw, aim in (("lookupd:1", "raw:1", 0.75), ("lookupd:64", "raw:8", 2.0)):
        ratios = [a[0] / b[0] for a, b in zip(found[lookupd], found[raw])]
        print(f"  {lookupd} / {raw}: {median(ratios):.2f} (of {min(ratios):.2f} to {max(ratios):.2f};"
              f" aim {aim})")
    return found


def compare_postmap(sandbox, options):
    """`postmap -q -` through lookupd and mysql:, keys a second."""
    folder = sandbox.path("postfix")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "main.cf"), "w", encoding="utf-8") as file:
        file.write("compatibility_level = 3.6\n")
    table = os.path.join(folder, "transport.cf")
    with open(table, "w", encoding="utf-8") as file:
        file.write(f"hosts = unix:{sandbox.env['MARIADB_SOCKET']}\nuser = lookupd\ndbname = lookupd\n"
                   "query = SELECT CONCAT(r.transport, ':', r.nexthop) FROM domain d "
                   "JOIN relay r ON r.name = d.relay WHERE d.name = '%s' AND d.enabled\n")
    keys = "".join(f"d{n:07d}.example{n % 10}.net\n" for n in range(0, options.domains * 2,
                                                                     max(1, options.domains // 5000)))
    count = keys.count("\n")
    tables = {"socketmap": f"socketmap:unix:{sandbox.env['SOCKETMAP']}:transport",
              "mysql": f"mysql:{table}"}
    found = {name: [] for name in tables}
    for _ in range(options.rounds):
        for name, spec in tables.items():
            begun = time.monotonic()
            done = subprocess.run(["postmap", "-c", folder, "-q", "-", spec], input=keys, text=True,
                                  capture_output=True, check=False, timeout=120)
            if done.returncode != 0:
                print(f"postmap through {name} does not work here: {done.stderr.strip()}")
                return
            found[name].append(count / (time.monotonic() - begun))
    print("\npostmap -q -, one process, keys a second, medians")
    for name, rates in found.items():
        print(f"  {name:<12}{median(rates):>10,.0f}")
    ratios = [a / b for a, b in zip(found["socketmap"], found["mysql"])]
    print(f"  socketmap / mysql: {median(ratios):.2f}")


def draw(results, path):
    """A picture of the rates: bars, one group for each map."""
    bars = [(name, kind, median(rate for rate, _, _ in rounds))
            for name, found in results.items() for kind, rounds in found.items()]
    most = max(rate for _, _, rate in bars)
    height, left, width = 26, 250, 620
    lines = []
    y = 20
    shown = None
    for name, kind, rate in bars:
        if name != shown:
            y += 24
            lines.append(f'<text x="10" y="{y - 6}" font-weight="bold">{name}</text>')
            shown = name
        colour = "#8a8a8a" if kind.startswith("raw") else "#2a7ab0"
        what, _, count = kind.partition(":")
        text = f"own statement, {count} connections" if what == "raw" else f"lookupd, {count} clients"
        lines.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{text}</text>'
                     f'<rect x="{left}" y="{y}" width="{rate / most * width:.0f}" height="{height - 6}"'
                     f' fill="{colour}"/><text x="{left + rate / most * width + 6:.0f}" y="{y + 14}">'
                     f'{rate:,.0f}/s</text>')
        y += height
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 110}" height="{y + 10}" '
                   f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" '
                   'fill="white"/>\n' + "\n".join(lines) + "\n</svg>\n")
    print(f"\npicture: {path}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=100_000, help="rows in the table (100,000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement (1)")
    parser.add_argument("--maps", nargs="+", default=["relay_domains", "transport"])
    parser.add_argument("--picture", default=os.path.join(ROOT, ".build", "bench.svg"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lookupd-bench-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        sandbox = Sandbox(folder)
        sandbox.mariadb.options = ["--innodb-buffer-pool-size=512M"]
        sandbox.up()
        try:
            program = os.path.join(sandbox.build, "tests", "bench", "lookups")
            fill(sandbox, options.domains)
            results = {name: compare_raw(program, sandbox, name, options) for name in options.maps}
            compare_postmap(sandbox, options)
        finally:
            sandbox.down()
    draw(results, options.picture)


if __name__ == "__main__":
    main()
