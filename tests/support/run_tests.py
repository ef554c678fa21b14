#!/usr/bin/python3
"""The program behind scripts/test: builds, runs every suite, counts honestly.

What did not run did not pass: a test program that crashed, a suite without tests, a skipped test, a
sanitizer's report of a daemon and a process left behind each count as a failure.
"""

import argparse
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import fuzzing  # noqa: E402
import processes  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# -O1: half the time to build, and reports whose lines are right. No recovery: UBSan looks for its
# options when it has something to report, and setproctitle() has overwritten them by then.
BUILDS = {"plain": [],
          "sanitizers": ["-Db_sanitize=address,undefined", "-Doptimization=1",
                         "-Dc_args=-fno-sanitize-recover=all"]}
# Test files that run side by side: they wait for servers more than they compute.
AT_ONCE = 4
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Run:
    """The counts and the folder of one run."""

    def __init__(self, long):
        self.long = long
        self.passed = 0
        self.failures = []
        self.skipped = 0
        self.folder = tempfile.mkdtemp(prefix="lookupd-test-", dir="/tmp")
        self.reports = os.path.join(self.folder, "reports")
        os.chmod(self.folder, 0o755)
        os.mkdir(self.reports)
        os.chmod(self.reports, 0o1777)  # lookupd writes there as the user it becomes

    def fail(self, name, text=""):
        self.failures.append(name)
        print(f"FAILED {name}" + (f": {text}" if text else ""), flush=True)

    def skip(self, name, reason):
        """Only an ordinary user may miss something, and is told what."""
        if reason and os.getuid() != 0 and not os.environ.get("CI"):
            self.skipped += 1
            print(f"skipped {name}: {reason}", flush=True)
        else:
            self.fail(name, f"skipped: {reason or 'no reason given'}")

    def junit(self, path, suite):
        """Counts the test cases of a JUnit file. Returns the numbers of cases and of failures of each
        program that meson ran: its TAP lines are a suite "project.PROGRAM"; a program that knows only
        its exit code is one case of that name."""
        counts = {}
        for group in ElementTree.parse(path).getroot().iter("testsuite"):
            for case in group.iter("testcase"):
                name, before = case.get("name"), len(self.failures)
                program = group.get("name", "").partition(".")[2] or name
                label = f"{suite}: {case.get('classname', program)}: {name}"
                skipped = case.find("skipped")
                if case.find("failure") is not None or case.find("error") is not None:
                    self.fail(label)
                elif skipped is not None:
                    self.skip(label, skipped.get("message") or skipped.text)
                else:
                    self.passed += 1
                ran, failed = counts.get(program, (0, 0))
                counts[program] = ran + 1, failed + len(self.failures) - before
        return counts

    def unit(self, kind, build):
        """meson test: unit tests (each executable a list of TAP lines) and the fuzzers' corpora."""
        suite = f"unit ({kind})"
        logs = os.path.join(build, "meson-logs")
        for name in ("testlog.json", "testlog.junit.xml"):
            if os.path.exists(os.path.join(logs, name)):
                os.unlink(os.path.join(logs, name))
        subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs"],
                       stdin=subprocess.DEVNULL, check=False)
        try:
            counts = self.junit(os.path.join(logs, "testlog.junit.xml"), suite)
            with open(os.path.join(logs, "testlog.json"), encoding="utf-8") as file:
                programs = [json.loads(line) for line in file]
        except (OSError, ValueError, ElementTree.ParseError) as error:
            self.fail(suite, f"no result: {error}")
            return
        if not programs:
            self.fail(suite, "ran no test")
        for program in programs:
            ran, failed = counts.get(program["name"], (0, 0))
            if program["result"] not in ("OK", "EXPECTEDFAIL") and not failed:
                self.fail(f"{suite}: {program['name']}",
                          f"{program['result']}, exit {program['returncode']}")
            elif not ran:
                self.fail(f"{suite}: {program['name']}", "ran no test")

    def system(self, kind, build, arguments):
        """pytest, with the programs of a build."""
        suite = f"system ({kind})"
        result = os.path.join(self.folder, f"{kind}.xml")
        report = os.path.join(self.reports, kind)
        environment = {
            **os.environ, "BUILD": build, "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",  # pytest's processes must agree on the names of the tests
            # to files, because a test may never look at a daemon's log; what goes there in spite of
            # that, as UBSan's reports do, is copied by the sandbox
            "ASAN_OPTIONS": f"abort_on_error=1:detect_stack_use_after_return=1:log_path={report}",
            "SANITIZER_REPORTS": report}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q",
                   "-n", str(AT_ONCE), "--dist", "loadfile",
                   "-W", "error::pytest.PytestUnhandledThreadExceptionWarning",
                   "--tb=short", "-o", "faulthandler_timeout=300", "--junitxml=" + result,
                   *(["--long"] if self.long else []),
                   *(arguments or [os.path.join(ROOT, "tests", "system")])]
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
        try:
            code = child.wait(7200 if self.long else 1200)
        except subprocess.TimeoutExpired:
            processes.end([child.pid], 5, signal.SIGINT)
            code = child.wait(5)
            self.fail(suite, "took too long, and was ended")
        before = len(self.failures)
        try:
            counts = self.junit(result, suite)
            if not counts:
                self.fail(suite, "ran no test")
        except (OSError, ElementTree.ParseError) as error:
            self.fail(suite, f"no result: {error}")
        if code != 0 and len(self.failures) == before:
            self.fail(suite, f"pytest ended with {code}")
        self.left_behind(suite)
        self.sanitizer_reports(suite, kind)

    def fuzz(self, build, chosen, executions, jobs):
        def passed(figures):
            self.passed += 1
            print(figures, flush=True)

        fuzzing.run_all(ROOT, build, chosen, executions, jobs, passed, self.fail)

    def left_behind(self, suite):
        """Every process that a test left is our child now: see main()."""
        time.sleep(0.2)
        left = [pid for pid in processes.children(os.getpid())]
        for pid in left:
            self.fail(f"{suite}: process left behind", f"{pid} {processes.title(pid)}")
        processes.end(left, 10)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    def sanitizer_reports(self, suite, kind):
        for name in sorted(os.listdir(self.reports)):
            if name.startswith(kind):
                self.fail(f"{suite}: sanitizer report", name)
                with open(os.path.join(self.reports, name), encoding="utf-8",
                          errors="replace") as file:
                    print(file.read()[:8000], flush=True)


def build_in(run, folder, options, target="all", compiler=None):
    """scripts/lib.sh knows how; True when it worked."""
    script = '. "$1/scripts/lib.sh"; shift; build_in "$@"'
    if os.environ.get("CI"):
        options = ["-Dwerror=true", *options]
    done = subprocess.run(["bash", "-c", script, "scripts/test", ROOT, folder, target, *options],
                          stdin=subprocess.DEVNULL, check=False,
                          env={**os.environ, "CC": compiler} if compiler else None)
    if done.returncode != 0:
        run.fail(f"build in {folder}")
    return done.returncode == 0


def heading(text):
    print(f"\n=== {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/test", description="Builds, with and without sanitizers, and runs every test "
        "under both. The last line says how many passed and failed.")
    parser.add_argument("--long", action="store_true",
                        help="the long suites too, and the fuzzers: hours")
    parser.add_argument("--only", action="append", default=[], metavar="WHAT",
                        choices=("unit", "system", "fuzz", *BUILDS),
                        help="unit, system, plain, sanitizers or fuzz; may be given several times")
    parser.add_argument("--executions", type=int, default=fuzzing.EXECUTIONS, metavar="N",
                        help="of each fuzzer, when the fuzzers run (default %(default)s)")
    parser.add_argument("--fuzzer", action="append", default=[], metavar="NAME",
                        choices=fuzzing.names(ROOT),
                        help="only this one of " + ", ".join(fuzzing.names(ROOT)) +
                        "; may be given several times")
    parser.add_argument("--jobs", type=int, default=fuzzing.processors(), metavar="N",
                        help="fuzzers at once (default %(default)s)")
    parser.add_argument("pytest", nargs="*",
                        help="arguments for pytest instead of tests/system, after --")
    arguments = parser.parse_args()
    if arguments.executions < 1 or arguments.jobs < 1:
        parser.error("--executions and --jobs: at least 1")
    only = set(arguments.only)
    fuzz = "fuzz" in only or (arguments.long and not only)
    suites = [suite for suite in ("unit", "system")
              if suite in only or not {"unit", "system"} & only]
    kinds = [kind for kind in BUILDS
             if kind in only or (not set(BUILDS) & only and only != {"fuzz"})]
    # programs under test would inherit that nohup ignores it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # orphans become our children, and not init's: none can hide
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    begun = time.monotonic()
    run = Run(arguments.long)
    for kind in kinds:
        build = os.path.join(ROOT, ".build", kind)
        heading(f"build ({kind})")
        if not build_in(run, build, BUILDS[kind]):
            continue
        if "unit" in suites:
            heading(f"unit tests and corpora ({kind})")
            run.unit(kind, build)
        if "system" in suites:
            heading(f"system tests ({kind})")
            run.system(kind, build, arguments.pytest)
    if fuzz:
        build = os.path.join(ROOT, ".build", "fuzzing")
        heading("build (fuzzers)")
        if build_in(run, build, fuzzing.OPTIONS, "fuzzers", "clang"):
            heading(f"fuzzers, {arguments.executions} executions each")
            run.fuzz(build, arguments.fuzzer or fuzzing.names(ROOT), arguments.executions,
                     arguments.jobs)
    shutil.rmtree(run.folder, ignore_errors=True)
    heading(f"{time.monotonic() - begun:.0f} s")
    for name in run.failures:
        print(f"FAILED {name}")
    if run.skipped:
        print(f"{run.skipped} skipped: run as root for all of them")
    print(f"{run.passed} passed, {len(run.failures)} failed", flush=True)
    return 1 if run.failures or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())
