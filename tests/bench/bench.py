#!/usr/bin/python3
"""Measures lookupd beside its alternatives, on a sandbox of its own.

1. The same lookups over lookupd's socketmap and as the map's own statement for one key, prepared and
   run raw over the same kind of connection, one connection for each client.
2. Postfix's own `postmap -q -` through lookupd and through mysql: (one query for each derived key).
3. lookupd-import: a first and an unchanged run over raw zones, beside named-compilezone called for each
   zone (a sample, scaled), the INSERTs of the same rows through the same triggers, and LOAD DATA of them
   into tables without triggers; and one large zone. --full for 100,000 zones; it takes some minutes.

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

import importer  # noqa: E402
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


def bars_of_lookups(results):
    """For draw(): the rates, one group for each map, all on one scale."""
    groups = []
    for name, found in results.items():
        bars = []
        for kind, rounds in found.items():
            what, _, count = kind.partition(":")
            text = f"own statement, {count} connections" if what == "raw" else f"lookupd, {count} clients"
            bars.append((text, median(rate for rate, _, _ in rounds), what != "raw"))
        groups.append([name, "/s", bars])
    most = max((rate for _, _, bars in groups for _, rate, _ in bars), default=1)
    return [(*group, most) for group in groups]


def draw(groups, path):
    """A picture of groups of bars: (title, unit, [(text, value, is ours)], the scale's end)."""
    height, left, width = 26, 300, 620
    lines = []
    y = 20
    for title, unit, bars, most in groups:
        y += 24
        lines.append(f'<text x="10" y="{y - 6}" font-weight="bold">{title}</text>')
        for text, value, ours in bars:
            colour = "#2a7ab0" if ours else "#8a8a8a"
            shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
            lines.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{text}</text>'
                         f'<rect x="{left}" y="{y}" width="{value / most * width:.0f}" height="{height - 6}"'
                         f' fill="{colour}"/><text x="{left + value / most * width + 6:.0f}" y="{y + 14}">'
                         f'{shown}{unit}</text>')
            y += height
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 110}" height="{y + 10}" '
                   f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" '
                   'fill="white"/>\n' + "\n".join(lines) + "\n</svg>\n")
    print(f"\npicture: {path}")


def measure_lookups(folder, options):
    """Parts 1 and 2."""
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
    return bars_of_lookups(results)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=100_000, help="rows in the table (100,000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement (1)")
    parser.add_argument("--maps", nargs="+", default=["relay_domains", "transport"])
    parser.add_argument("--picture", default=os.path.join(ROOT, ".build", "bench.svg"))
    parser.add_argument("--parts", nargs="+", choices=["lookups", "import"], default=["lookups", "import"])
    parser.add_argument("--zones", type=int, default=10_000, help="raw zones to import (10,000)")
    parser.add_argument("--sample", type=int, default=300, help="zones given to named-compilezone (300)")
    parser.add_argument("--records", type=int, default=500_000, help="of the large zone (500,000)")
    parser.add_argument("--import-rounds", type=int, default=3, help="rounds of part 3 (3)")
    parser.add_argument("--full", action="store_true", help="part 3 with 100,000 zones, a sample of 2,000")
    options = parser.parse_args()
    if options.full:
        options.zones, options.sample = 100_000, 2_000
    groups = []
    with tempfile.TemporaryDirectory(prefix="lookupd-bench-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        if "lookups" in options.parts:
            groups += measure_lookups(os.path.join(folder, "lookups"), options)
        if "import" in options.parts:
            bars = importer.compare(os.path.join(folder, "import"), options)
            groups.append((f"lookupd-import, {options.zones:,} raw zones", " s", bars,
                           max(seconds for _, seconds, _ in bars)))
    draw(groups, options.picture)


if __name__ == "__main__":
    main()
