"""The long fuzz run of scripts/test: every fuzzer with libFuzzer, ASan and UBSan, many executions.

The committed corpora are copied, never written to. What is found lies in .build/fuzzing.work/NAME:
the corpus as it grew, the logs, and an input that crashed, leaked, hung or took too much memory.
"""

import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import time

EXECUTIONS = 10_000_000
# A library may lose memory at every malformed input (libconfig 1.5 does): a process ends before that
# matters, and the next one goes on with its corpus. Its end is also where leaks are looked for.
ROUND = 1_000_000
# Octets of an input, where not this: what is longer takes time and tells nothing new. Beyond the
# formats' own limits go files of the corpora, which are replayed whole every day.
LENGTH = 2048
LENGTHS = {"candidates": 700, "conf": 1024, "extension": 300, "route": 1100, "snapshot": 2700,
           "socketmap": 1024, "tcp_table": 1500, "textzone": 512, "zonelist": 1024}
# Sources whose texts in quotes are words of what they read: libFuzzer puts them into inputs.
SOURCES = {"conf": "lookup/conf_table.c", "importconf": "import/importconf*.c",
           "optionfile": "lookup/credentials.c", "zonelist": "import/zonelist*.c"}
# An input takes some 30 microseconds; other processes may have the machine meanwhile.
SECONDS_AN_INPUT = 20
MEGABYTES = 2048
OPTIONS = ["-Dfuzzing=true", "-Db_sanitize=address,undefined", "-Db_lundef=false",
           "-Doptimization=2", "-Dc_args=-fno-sanitize-recover=all"]
# Short stacks and a small quarantine: three times as many executions. A report has its whole stack
# when the input is run once more. With stacks of one function LSan would find no leak at all.
SANITIZER = "malloc_context_size=2:quarantine_size_mb=4:allocator_release_to_os_interval_ms=-1"
# The thread with which libFuzzer watches the memory may just begin when a short run ends.
NO_LEAK = "leak:pthread_getattr_np\n"


class Found(Exception):
    """Something is wrong: the text says what, and where the input is."""


class Fuzzer:
    """One fuzzer, in a folder of its own."""

    def __init__(self, name, root, build, work):
        self.name = name
        self.root = root
        self.program = os.path.join(build, "tests", "fuzz", "fuzz_" + name)
        self.committed = os.path.join(root, "tests", "fuzz", "corpus", name)
        self.folder = os.path.join(work, name)
        self.corpus = os.path.join(self.folder, "corpus")
        self.executions = 0
        self.seconds = 0.0
        self.coverage = self.features = 0
        self.inputs = 0

    def _dictionary(self):
        """The arguments that give libFuzzer the words, if there are any."""
        if self.name not in SOURCES:
            return []
        words = set()
        for source in glob.glob(os.path.join(self.root, "lookupd", SOURCES[self.name])):
            with open(source, encoding="utf-8") as file:
                words.update(re.findall(r'"([\w.:-]{2,30})"', file.read()))
        path = os.path.join(self.folder, "words")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f'"{word}"\n' for word in sorted(words))
        return ["-dict=" + path]

    def _command(self, *arguments):
        return [self.program, *arguments, f"-max_len={LENGTHS.get(self.name, LENGTH)}",
                f"-timeout={SECONDS_AN_INPUT}", f"-report_slow_units={SECONDS_AN_INPUT}",
                f"-rss_limit_mb={MEGABYTES}", "-print_final_stats=1",
                f"-artifact_prefix={self.folder}/", self.corpus]

    def _fuzz(self, what, options, *arguments):
        """One process. Returns its output; Found when it ended otherwise than well."""
        log = os.path.join(self.folder, what + ".log")
        known = os.path.join(self.folder, "no-leaks")
        with open(known, "w", encoding="ascii") as file:
            file.write(NO_LEAK)
        environment = {**os.environ, "ASAN_OPTIONS": options,
                       "LSAN_OPTIONS": f"suppressions={known}:print_suppressions=0"}
        with open(log, "wb") as file:
            done = subprocess.run(self._command(*arguments), stdin=subprocess.DEVNULL, stdout=file,
                                  stderr=file, cwd=self.folder, env=environment, check=False)
        with open(log, encoding="utf-8", errors="replace") as file:
            output = file.read()
        if done.returncode != 0:
            raise Found(f"exit {done.returncode} in {what}, {self._input(output)}; "
                        f"all of what it said is in {log}\n" +
                        "\n".join(output.splitlines()[-40:]))
        return output

    def _input(self, output):
        written = re.findall(r"Test unit written to (\S+)", output)
        if not written:
            return "without an input"
        return f"the input is {written[-1]}; run it with {self.program} {written[-1]}"

    def run(self, executions):
        """Found at the first input that is one too many."""
        shutil.copytree(self.committed, self.corpus)
        words = self._dictionary()
        begun = time.monotonic()
        left = executions
        for number in range(1, -(-executions // ROUND) + 1):
            # leaks are looked for when the process ends, and not after each input
            output = self._fuzz(f"round-{number}", SANITIZER, "-detect_leaks=0",
                                f"-runs={min(left, ROUND)}", f"-seed={number}", *words)
            counted = re.findall(r"stat::number_of_executed_units:\s*(\d+)", output)
            seen = re.findall(r"DONE\s+cov: (\d+) ft: (\d+)", output)
            if not counted or int(counted[-1]) < min(left, ROUND) or not seen:
                raise Found(f"round {number} did not say what it did")
            self.executions += int(counted[-1])
            self.coverage, self.features = map(int, seen[-1])
            left -= min(left, ROUND)
        self.seconds = time.monotonic() - begun
        # with whole stacks, and a look for leaks at each input that is of interest
        self._fuzz("replay", "", "-runs=0")
        self.inputs = len(os.listdir(self.corpus))

    def figures(self):
        speed = self.executions / self.seconds if self.seconds else 0
        return (f"{self.name:<12} {self.executions:>10} executions  {self.seconds:>6.0f} s  "
                f"{speed:>7.0f}/s  {self.coverage:>5} edges  {self.features:>5} features  "
                f"{self.inputs:>5} inputs")


def names(root):
    """Each fuzzer has its committed corpus."""
    return sorted(os.listdir(os.path.join(root, "tests", "fuzz", "corpus")))


def processors():
    return len(os.sched_getaffinity(0))


def run_all(root, build, chosen, executions, jobs, passed, failed):
    """Runs the chosen fuzzers, jobs of them at once; passed(figures) or failed(name, text) is called
    for each."""
    work = os.path.join(root, ".build", "fuzzing.work")
    fuzzers = []
    for name in chosen:
        shutil.rmtree(os.path.join(work, name), ignore_errors=True)
        os.makedirs(os.path.join(work, name))
        fuzzers.append(Fuzzer(name, root, build, work))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(fuzzer.run, executions): fuzzer for fuzzer in fuzzers}
        for done in concurrent.futures.as_completed(running):
            fuzzer = running[done]
            try:
                done.result()
                passed(fuzzer.figures())
            except (Found, OSError) as error:
                failed(f"fuzz: {fuzzer.name}", str(error))
    sys.stdout.flush()
