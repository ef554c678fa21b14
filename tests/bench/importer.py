"""The part of scripts/bench that measures lookupd-import.

Zones: one template for each kind (relayed, another's mail, null MX, only us) is compiled with
named-compilezone, and copied under names of the same length, put in the place of the template's.
named-compilezone then reads a sample of the copies again: it is the judge of whether they are raw files.

MariaDB's own time is that of the very rows that the first import left, once as INSERTs of many rows in
one transaction by the importer's account, through the same triggers, and once with LOAD DATA into
copies of the tables with neither triggers nor foreign keys: the rows, their indexes and nothing else.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time

from importing import OURS, Site
from private_mariadb import PrivateMariaDB
from sql import fresh, one, rows, run

TEMPLATE = "d0000000"
DOMAIN = "example"
# Of ten zones: what their MX records say. Eight are relayed.
KINDS = {"relayed": 8, "others": 1, "null": 0.5, "ours": 0.5}
MX = {
    "relayed": f"@ MX 10 mail\n@ MX 20 {OURS}\n",
    "others": "@ MX 10 mail\n@ MX 20 mx.other.example.\n",
    "null": "@ MX 0 .\n",
    "ours": f"@ MX 10 {OURS}\n",
}
REST = """$TTL 3600
@ SOA ns1.dns.example. hostmaster.dns.example. 2024010101 3600 900 8640000 3600
@ NS ns1.dns.example.
@ NS ns2.dns.example.
@ A 203.0.113.80
@ TXT "v=spf1 mx -all"
www A 203.0.113.80
mail A 203.0.113.25
mail AAAA 2001:db8::25
ftp CNAME www
_dmarc TXT "v=DMARC1; p=none"
"""
COMPILE = ["named-compilezone", "-q", "-i", "none", "-k", "ignore", "-n", "ignore", "-m", "ignore",
           "-M", "ignore", "-S", "ignore"]
TABLES = {
    "import_claim": "source, name, route, last_seen, gone_since",
    "domain": "name, route, relay, recipients, source",
    "history": "at, who, connection, table_name, row_key, action, old, new",
}


def timed(command, **how):
    """(seconds, MB at the most) of a command that must succeed."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **how)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"bench: {' '.join(command)} ended with {process.returncode}")
    # before its exec a child shares this program's memory: no child can be seen below that
    return seconds, used.ru_maxrss / 1024


def compile_zone(name, text, path, output="raw"):
    source = path + ".text"
    with open(source, "w", encoding="ascii") as file:
        file.write(text)
    subprocess.run([*COMPILE, "-f", "text", "-F", output, "-o", path, name, source], check=True,
                   stdout=subprocess.DEVNULL, timeout=120)
    os.unlink(source)


def zone_name(number):
    return f"d{number:07d}.{DOMAIN}"


def make_zones(site, count):
    """The files, and named.conf for them."""
    label = bytes([len(TEMPLATE)]) + TEMPLATE.encode()
    templates = []
    for kind, share in KINDS.items():
        path = site.path(kind)
        compile_zone(f"{TEMPLATE}.{DOMAIN}", REST + MX[kind], path)
        with open(path, "rb") as file:
            templates += [file.read()] * round(share * 2)
    conf = site.path("named.conf")
    with open(conf, "w", encoding="ascii") as named:
        named.write(f'options {{ directory "{site.zones_directory}"; }};\n')
        for number in range(count):
            name = zone_name(number)
            octets = templates[number % len(templates)].replace(
                label, bytes([len(TEMPLATE)]) + f"d{number:07d}".encode())
            with open(site.zone_file(name), "wb") as file:
                file.write(octets)
            named.write(f'zone "{name}" {{ type secondary; file "{name}.db"; primaries {{ 192.0.2.53; }}; }};\n')
    return conf


def measure_compilezone(site, count, sample):
    """Seconds for one zone, of named-compilezone in a shell's loop over a sample."""
    names = [zone_name(number) for number in range(0, count, max(1, count // sample))][:sample]
    listed = site.path("sample")
    with open(listed, "w", encoding="ascii") as file:
        file.writelines(f"{name}\n" for name in names)
    loop = f'while read -r name; do {" ".join(COMPILE)} -f raw -F text -o - "$name" "$name.db" || exit 1; done'
    with open(listed, encoding="ascii") as given:
        begun = time.monotonic()
        subprocess.run(["sh", "-c", loop], stdin=given, stdout=subprocess.DEVNULL, check=True,
                       cwd=site.zones_directory, timeout=600)
    return (time.monotonic() - begun) / len(names), len(names)


def empty(root):
    """No domain, claim, run or history, as on the first day."""
    run(root, "SET foreign_key_checks = 0", *(f"TRUNCATE TABLE {table}" for table in (*TABLES, "import_run")),
        "SET foreign_key_checks = 1")


def dump_rows(site, root):
    """Writes the rows that are there as SQL (without history: triggers write it) and for LOAD DATA."""
    client = ["mariadb", "--no-defaults", "-uroot", "-S", site.mariadb.socket, "-N", "-r", "--quick", "lookupd"]
    for table, columns in TABLES.items():
        with open(site.path(table + ".tsv"), "wb") as file:
            # -r writes no escapes: no tab, line end or backslash stands in these rows
            listed = ", ".join(f"COALESCE({column}, '\\\\N')" for column in columns.split(", "))
            subprocess.run([*client, "-e", f"SELECT {listed} FROM {table}"], stdout=file, check=True,
                           timeout=300)
    with open(site.path("rows.sql"), "w", encoding="utf-8") as file:
        file.write(f"SET @lookupd_source = '{site.source}'; START TRANSACTION;\n")
        for table in ("import_claim", "domain"):
            found = rows(root, "SELECT CONCAT('(', CONCAT_WS(', ', "
                         + ", ".join(f"QUOTE({column})" for column in TABLES[table].split(", "))
                         + f"), ')') FROM {table} ORDER BY name")
            for first in range(0, len(found), 1000):
                file.write(f"INSERT INTO {table} ({TABLES[table]}) VALUES\n"
                           + ",\n".join(row for (row,) in found[first:first + 1000]) + ";\n")
        file.write("COMMIT;\n")


def load_by_insert(site):
    with open(site.path("rows.sql"), "rb") as file:
        begun = time.monotonic()
        subprocess.run(["mariadb", "--no-defaults", f"-u{site.account}", "-S", site.mariadb.socket, "lookupd"],
                       stdin=file, check=True, timeout=600)
    return time.monotonic() - begun


def load_by_load_data(site, root):
    for table in TABLES:
        run(root, f"DROP TABLE IF EXISTS bare_{table}", f"CREATE TABLE bare_{table} LIKE {table}")
    sql = "SET autocommit = 0; " + " ".join(
        f"LOAD DATA LOCAL INFILE '{site.path(table + '.tsv')}' INTO TABLE bare_{table} CHARACTER SET utf8mb4 "
        f"({columns});" for table, columns in TABLES.items()) + " COMMIT;"
    begun = time.monotonic()
    subprocess.run(["mariadb", "--no-defaults", "-uroot", "-S", site.mariadb.socket, "--local-infile=1",
                    "lookupd"], input=sql.encode(), check=True, timeout=600)
    seconds = time.monotonic() - begun
    for table in TABLES:
        run(root, f"DROP TABLE bare_{table}")
    return seconds


def middle(values):
    return statistics.median(values)


def compare_runs(site, root, options, found):
    """First and unchanged runs beside what they are held against, in turn; fills found."""
    program = [site.program, "-c", site.conf]
    listing = site.path("list")
    with open(listing, "wb") as file:
        found["checkconf"] = [timed(["named-checkconf", "-px", site.path("named.conf")], stdout=file)]
    for _ in range(options.import_rounds):
        empty(root)
        found.setdefault("first", []).append(timed(program))
        dump_rows(site, root)
        found.setdefault("unchanged", []).append(timed(program))
        site.write_conf(f'named_conf = "{site.path("named.conf")}";')
        found.setdefault("whole", []).append(timed(program))
        site.write_conf()
        count = one(root, "SELECT COUNT(*) FROM domain"), one(root, "SELECT COUNT(*) FROM history")
        empty(root)
        found.setdefault("insert", []).append((load_by_insert(site), 0))
        if count != (one(root, "SELECT COUNT(*) FROM domain"), one(root, "SELECT COUNT(*) FROM history")):
            sys.exit("bench: the INSERTs did not write what lookupd-import wrote")
        found.setdefault("load", []).append((load_by_load_data(site, root), 0))
    return count[0]


def measure_large(site, options, found):
    """One zone of many records, as a raw file and as text, read for --explain."""
    name = "large.example"
    text = REST + MX["relayed"] + "".join(
        f"h{number} A 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\n"
        for number in range(options.records - len(REST.splitlines()) - 1))
    site.listed = [name]
    site.write_list()
    for kind in ("raw", "text"):
        compile_zone(name, text, site.zone_file(name), kind)
        for _ in range(options.import_rounds):
            found.setdefault("large " + kind, []).append(
                timed([site.program, "-c", site.conf, "--explain", name], stdout=subprocess.DEVNULL))
        begun = time.monotonic()
        subprocess.run([*COMPILE, "-f", kind, "-F", "raw", "-o", site.path("out"), name, site.zone_file(name)],
                       check=True, stdout=subprocess.DEVNULL, timeout=120)
        found["large compilezone " + kind] = [(time.monotonic() - begun, 0)]


def aim(text, value, limit, unit):
    return f"  {text:<62}{value:>8.2f} {unit} (aim: {limit} {unit})"


def compare(folder, options):
    """Measures and prints; returns bars for the picture: [(text, seconds, ours)]."""
    mariadb = PrivateMariaDB(os.path.join(folder, "mariadb"),
                             options=["--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M",
                                      "--local-infile=1"])
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    site = Site(folder, mariadb)
    count = options.zones
    print(f"\nlookupd-import: making {count:,} raw zones ...", flush=True)
    make_zones(site, count)
    found = {}
    mariadb.start()
    try:
        root = fresh(mariadb)
        site.write_conf("max_delete_percent = 100;")
        domains = compare_runs(site, root, options, found)
        each, sample = measure_compilezone(site, count, options.sample)
        shutil.rmtree(site.zones_directory)
        os.mkdir(site.zones_directory)
        measure_large(site, options, found)
        root.close()
    finally:
        mariadb.stop()
    seconds = {what: middle(second for second, _ in values) for what, values in found.items()}
    megabytes = {what: max(most for _, most in values) for what, values in found.items()}
    compilezone = each * count
    bars = [
        ("lookupd-import, unchanged run", seconds["unchanged"], True),
        ("lookupd-import, first run", seconds["first"], True),
        ("the same rows, INSERT through the triggers", seconds["insert"], False),
        ("the same rows, LOAD DATA into bare tables", seconds["load"], False),
        (f"named-compilezone for each (of {sample:,})", compilezone, False),
        ("named-checkconf -px", seconds["checkconf"], False),
    ]
    print(f"\nlookupd-import: {count:,} raw zones, {domains:,} of them relayed; {options.import_rounds} rounds,"
          " medians")
    for text, value, _ in bars:
        print(f"  {text:<62}{value:>8.2f} s")
    print(f"  unchanged run with named-checkconf {' ' * 27}{seconds['whole']:>8.2f} s")
    print(f"  memory at the most, first / unchanged run {' ' * 20}{megabytes['first']:>8.0f} MB /"
          f" {megabytes['unchanged']:.0f} MB")
    for one_of, other in (("first", "insert"), ("first", "load")):
        ratios = [a[0] / b[0] for a, b in zip(found[one_of], found[other])]
        print(f"  {one_of} run / {other}: {middle(ratios):.2f} (of {min(ratios):.2f} to {max(ratios):.2f})")
    print(f"  named-compilezone for each / unchanged run: {compilezone / seconds['unchanged']:.0f}"
          f" (scaled from {sample:,} zones, {1000 * each:.1f} ms each)")
    if count >= 100_000:
        print(aim("unchanged run of 100,000 zones, list of zones from a file", seconds["unchanged"], 3, "s"))
        print(aim("memory of it", megabytes["unchanged"], 200, "MB"))
    print(f"\none zone of {options.records:,} records, the whole program")
    for kind in ("raw", "text"):
        print(f"  {kind:<10}{seconds['large ' + kind]:>8.2f} s, {megabytes['large ' + kind]:.0f} MB at the most;"
              f" named-compilezone {seconds['large compilezone ' + kind]:.2f} s")
    if options.records >= 500_000:
        print(aim("raw", seconds["large raw"], 0.2, "s"))
    return bars
