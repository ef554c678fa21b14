"""A stream of lookups, every answer of which is checked.

Several clients ask over socketmap and tcp_table, and reconnect as Postfix does; a writer changes the
tables meanwhile and notes when each change began and ended. An answer is right when it is what the
tables held at some moment between question and answer. "Temporary" is never wrong, but it can be too
late, and phases tell whether there was anything else.

    with Stream(sandbox) as stream:
        stream.wait_live()
        sandbox.mariadb.kill()
        with stream.outage():          # nothing can come from the database now
            time.sleep(3)
        sandbox.mariadb.start()
        stream.wait_live(5)
        with stream.phase() as well:
            time.sleep(1)
    stream.check()                     # no wrong, late or missing answer, no connection lost
    assert well.temporary == 0

With a snapshot: `with stream.copying(): …` around the moment when it is taken; answers may then be
that snapshot's too, and during outage() they must be.
"""

import bisect
import contextlib
import errno
import heapq
import itertools
import random
import selectors
import socket
import threading
import time

import pymysql

from clients import NOTFOUND, OK, TEMP, SocketmapClient, TcpTableClient

ABSENT = "ABSENT"  # no row stands for the key: live that is NOTFOUND; a snapshot may not know
ZONE = "stream.example"
GRACE = 1.0  # how long after the deadline an answer may come
PATIENCE = 10.0  # after this a question counts as unanswered
NOTFOUND_WHEN_ABSENT = {"virtual_aliases", "sender_access"}  # the maps' `absent`
DISABLED_ROUTE = "retry:4.3.0 relaying for this domain is disabled"


# ---- what the tables hold, and held ----

class History:
    """The states of the tables, one after each commit, and when each commit began and ended.
    Only one writer commits at a time, so that the states have an order."""

    def __init__(self, lag=0.0):
        """lag: so long after its end a commit may still be unseen (another node, a replica)."""
        self.lag = lag
        self.begins, self.ends = [float("-inf")], [float("-inf")]
        self.rows = {}  # row: ([number of the commit], [state])

    def initial(self, row, state):
        self.rows[row] = ([0], [state])

    def begin(self, changes, now=None):
        """A commit of {row: state} begins. Returns its number, for end()."""
        number = len(self.begins)
        for row, state in changes.items():
            numbers, states = self.rows.setdefault(row, ([0], [None]))
            numbers.append(number)
            states.append(state)
        self.ends.append(float("inf"))
        self.begins.append(time.monotonic() if now is None else now)  # last: now it can be seen
        return number

    def end(self, number, now=None):
        self.ends[number] = time.monotonic() if now is None else now

    def undo(self, number, changes, now=None):
        """The commit did not happen, or only for a moment: {row: state} is what was before."""
        again = self.begin(changes, self.begins[number])
        self.ends[number] = self.ends[again] = time.monotonic() if now is None else now

    def state(self, row, number=None):
        """A row after a commit (the last); None: there is no such row."""
        if row not in self.rows:
            return None
        numbers, states = self.rows[row]
        if number is None:
            return states[-1]
        return states[bisect.bisect_right(numbers, number) - 1]

    def possible(self, begin, end):
        """The numbers of the states that a reader can have seen between two moments."""
        first = bisect.bisect_right(self.ends, begin - self.lag) - 1
        return range(first, bisect.bisect_right(self.begins, end))

    def answers(self, question, begin, end):
        """What a question's answer can have been between two moments, as a set."""
        return {question.answer(lambda row, number=number: self.state(row, number))
                for number in self.possible(begin, end)}


# ---- questions, and the answers of the default maps ----

class Question:
    """A key of a map. answer(get) is what the map says when get(row) gives the rows' states."""

    def __init__(self, name, key):
        self.map, self.key = name, key
        self.rule = getattr(self, "_" + name)
        key = key.lower()
        self.address = key if "@" in key else None
        domain = key.rpartition("@")[2]
        labels = domain.split(".")
        self.domains = [domain] + ["." + ".".join(labels[at:]) for at in range(1, len(labels))]

    def answer(self, get):
        return self.rule(get)

    def _domain(self, get):
        """(name, (enabled, route, recipients)) of the most specific row; name None: there is none."""
        for name in self.domains:
            row = get(("domain", name))
            if row is not None:
                return name, row
        return None, None

    def _relay_domains(self, get):
        name, row = self._domain(get)
        if name is None:
            return ABSENT, ""
        return (OK, name) if row[0] else (NOTFOUND, "")

    def _transport(self, get):
        recipient = get(("recipient", self.address))
        if recipient and recipient[0] and recipient[1]:
            return OK, recipient[1]
        name, row = self._domain(get)
        if name is None:
            return ABSENT, ""
        return OK, DISABLED_ROUTE if not row[0] else row[1] or "relay:"

    def _relay_recipients(self, get):
        recipient = get(("recipient", self.address))
        if recipient:
            return (OK, self.address) if recipient[0] else (NOTFOUND, "")
        name, row = self._domain(get)
        if name is None:
            return ABSENT, ""
        return (OK, name) if row[2] == "any" else (NOTFOUND, "")

    def _virtual_aliases(self, get):
        goto = get(("alias", self.address))
        if goto:
            return OK, goto
        recipient = get(("recipient", self.address))
        if recipient and recipient[0]:
            return OK, self.address
        for name in self.domains:
            goto = get(("alias", "@" + name))
            if goto:
                return OK, goto
        return ABSENT, ""

    def _sender_access(self, get):
        for name in (self.address, *self.domains):
            action = get(("access", name))
            if action:
                return OK, action
        return ABSENT, ""


# ---- the writer ----

class _Writer(threading.Thread):
    """Changes rows, one transaction after the other, and notes each in the history."""

    def __init__(self, sandbox, history, domains, pause, seed):
        super().__init__(daemon=True)
        self.sandbox, self.history, self.pause = sandbox, history, pause
        self.domains = domains
        self.random = random.Random(seed)
        self.lock = threading.Lock()  # held while a change is under way
        self.stopped = threading.Event()
        self.connection = None
        self.commits = 0
        self.failure = None

    # each of these gives {row: new state}

    def _domain_state(self):
        number = self.random.randrange(1, 250)
        return (self.random.random() < 0.8,
                self.random.choice([None, f"smtp:[192.0.2.{number}]:25"]),
                self.random.choice(["any", "listed"]))

    def _changes(self):
        domain = self.random.choice(self.domains)
        kind = self.random.randrange(7)
        if kind < 3:
            row = ("domain", domain)
            return {row: None if self.history.state(row) and kind == 0 else self._domain_state()}
        if kind == 3:  # a domain gives way to its wildcard, or back: both or neither
            one, other = ("domain", domain.lstrip(".")), ("domain", "." + domain.lstrip("."))
            return {one: self.history.state(other), other: self.history.state(one)}
        if kind == 4:
            row = ("recipient", "u@" + domain.lstrip("."))
            return {row: None if self.history.state(row)
                    else (self.random.random() < 0.7, self.random.choice([None, "relay:[192.0.2.9]"]))}
        if kind == 5:
            row = ("alias", self.random.choice(["u@", "@"]) + domain.lstrip("."))
            return {row: None if self.history.state(row)
                    else f"goal{self.random.randrange(1000)}@goal.example"}
        row = ("access", domain.lstrip("."))
        return {row: None if self.history.state(row) else f"REJECT {self.random.randrange(1000)}"}

    @staticmethod
    def _statements(row, state):
        """What makes a row so. The server's triggers want a DELETE before an INSERT."""
        table, key = row
        if table == "access":
            yield "DELETE FROM access WHERE map = 'sender' AND pattern = %s", (key,)
            if state:
                yield "INSERT INTO access (map, pattern, action) VALUES ('sender', %s, %s)", (key, state)
            return
        name = "name" if table == "domain" else "address"
        yield f"DELETE FROM {table} WHERE {name} = %s", (key,)
        if state is None:
            return
        if table == "domain":
            yield ("INSERT INTO domain (name, enabled, route, recipients) VALUES (%s, %s, %s, %s)",
                   (key, *state))
        elif table == "recipient":
            yield "INSERT INTO recipient (address, enabled, route) VALUES (%s, %s, %s)", (key, *state)
        else:
            yield "INSERT INTO alias (address, `goto`) VALUES (%s, %s)", (key, state)

    @staticmethod
    def _read(cursor, row):
        table, key = row
        cursor.execute({
            "domain": "SELECT enabled, route, recipients FROM domain WHERE name = %s",
            "recipient": "SELECT enabled, route FROM recipient WHERE address = %s",
            "alias": "SELECT `goto` FROM alias WHERE address = %s",
            "access": "SELECT action FROM access WHERE map = 'sender' AND pattern = %s"}[table], (key,))
        found = cursor.fetchone()
        if found is None or table in ("alias", "access"):
            return found and found[0]
        return bool(found[0]), *found[1:]

    def _connect(self):
        if self.connection is None:
            # it waits as long as a stopped server does: what it has sent will happen some day
            self.connection = self.sandbox.connect(autocommit=False, read_timeout=600)
        return self.connection

    def _drop(self):
        if self.connection is not None:
            self.connection._force_close()
            self.connection = None

    def _settle(self, number, changes, before):
        """Finds out whether a commit whose answer was lost has happened."""
        while True:
            try:
                with self._connect().cursor() as cursor:
                    found = {row: self._read(cursor, row) for row in changes}
                self.connection.rollback()
                break
            except pymysql.MySQLError:
                self._drop()
                if self.stopped.wait(0.05):
                    return
        if found == changes:
            self.history.end(number)
        elif found == before:
            self.history.undo(number, before)
        else:
            raise AssertionError(f"neither {before} nor {changes}, but {found}")

    def change(self, changes):
        """One transaction; False when the database refused it."""
        changes = dict(changes)
        before = {row: self.history.state(row) for row in changes}
        number = None
        try:
            connection = self._connect()
            with connection.cursor() as cursor:
                for row in changes:
                    for statement in self._statements(row, None):
                        cursor.execute(*statement)
                for row, state in changes.items():
                    if state is not None:
                        for statement in list(self._statements(row, state))[1:]:
                            cursor.execute(*statement)
            number = self.history.begin(changes)
            connection.commit()
            self.history.end(number)
            self.commits += 1
            return True
        except (pymysql.MySQLError, OSError):
            self._drop()  # what was not committed is rolled back
            if number is not None:
                self._settle(number, changes, before)
            return False

    def run(self):
        try:
            while not self.stopped.wait(self.pause):
                with self.lock:
                    if not self.change(self._changes()):
                        self.stopped.wait(0.05)
        except BaseException as error:
            self.failure = error
        finally:
            self._drop()


# ---- clients ----

class Counts:
    """What came of the questions."""

    NAMES = ("found", "notfound", "temporary", "wrong", "late", "lost", "refused", "silent")

    def __init__(self):
        self.began = time.monotonic()
        for name in self.NAMES:
            setattr(self, name, 0)
        self.longest = 0.0
        self.faults = []  # the first of them, in words

    @property
    def answers(self):
        return self.found + self.notfound + self.temporary

    def fault(self, kind, text):
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.faults) < 20:
            self.faults.append(f"{kind}: {text}")

    def __repr__(self):
        counts = ", ".join(f"{getattr(self, name)} {name}" for name in self.NAMES)
        return f"{counts}, longest {self.longest:.3f} s" + "".join(f"\n  {text}" for text in self.faults)


class _Client:
    """One connection with at most one question on its way, by non-blocking calls."""

    def __init__(self, stream, address, tcp_table, maps):
        """address: a function that says where the server is. maps: that are asked; None: all."""
        self.stream, self.address, self.tcp_table = stream, address, tcp_table
        self.questions = [q for q in stream.questions if maps is None or q.map in maps]
        self.question = None  # that is to be asked, or has been
        self.socket = None
        self.state = "idle"
        self.alarm = -1  # the number of the timer that counts
        self.uses = 0
        self.tries = 0
        self.asked = 0.0
        self.waiting = b""
        self.live = 0.0  # when the last question was asked that was not answered "temporary"

    def ready(self, now):
        """A timer has gone off: ask, or give up."""
        if self.state == "idle":
            if self.question is None:
                self.question = self.stream.random.choice(self.questions)
                self.tries = 0
            if self.socket is not None and self.uses >= self.stream.reuse:
                self.close()
            if self.socket is not None or self._connect(now):
                self._ask(now)
        else:
            self.stream.fault("silent", self, f"{self.state}, nothing for {now - self.asked:.1f} s")
            self._again(now, 0)

    def close(self):
        if self.socket is not None:
            self.stream.selector.unregister(self.socket)
            self.socket.close()
        self.socket, self.waiting, self.uses = None, b"", 0

    def _again(self, now, pause):
        """The same question over another connection, as Postfix does."""
        self.close()
        self.state = "idle"
        self.tries += 1
        if self.tries > 1:
            pause = max(pause, 0.05)
        self.stream.at(now + pause, self)

    def _connect(self, now):
        address = self.address()
        unix = address.startswith("/")
        self.socket = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
        self.socket.setblocking(False)
        self.stream.selector.register(self.socket, selectors.EVENT_READ, self)
        host, _, port = address.rpartition(":")
        code = self.socket.connect_ex(address if unix else (host, int(port)))
        if code == errno.EINPROGRESS:
            self.state, self.asked = "connecting", now
            self.stream.selector.modify(self.socket, selectors.EVENT_WRITE, self)
            self.stream.at(now + PATIENCE + 0.01, self)
            return False
        if code != 0:
            self._refused(now, code)
            return False
        return True

    def _refused(self, now, code):
        self.stream.fault("refused", self, errno.errorcode.get(code, str(code)))
        self._again(now, 0.05)

    def _ask(self, now):
        question = self.question
        request = (TcpTableClient.request(question.key) if self.tcp_table
                   else SocketmapClient.request(question.map, question.key))
        self.state, self.asked = "asked", now
        self.uses += 1
        try:
            self.socket.send(request)  # so short that it goes in one piece
        except OSError:
            self._lost(now, "on sending")
            return
        self.stream.at(now + PATIENCE + 0.01, self)

    def _lost(self, now, how):
        if self.state == "asked":
            self.stream.fault("lost", self, how)
            self._again(now, 0)
        else:  # idle: nobody waits; the next question finds no connection
            self.stream.fault("lost", self, "while idle")
            self.close()

    def on_event(self, now):
        if self.state == "connecting":
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._refused(now, code)
                return
            self.stream.selector.modify(self.socket, selectors.EVENT_READ, self)
            self._ask(now)
            return
        try:
            more = self.socket.recv(65536)
            now = time.monotonic()  # what has come was sent before this
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(now, str(error))
            return
        if not more:
            self._lost(now, "closed")
            return
        self.waiting += more
        if self.state != "asked":
            self.stream.fault("wrong", self, f"octets that nobody asked for: {self.waiting[:100]!r}")
            self.close()
            return
        answer = self._take()
        if answer is None:
            return
        self.state = "idle"
        self.stream.answered(self, answer, self.asked, now)
        if answer[0] is None:
            self.close()  # where the next reply would begin is not known
        self.question = None
        self.stream.at(now + self.stream.random.uniform(0.5, 1.5) * self.stream.pause, self)

    def _take(self):
        """The answer, when it is complete: (word, value); word None: it is none."""
        if self.tcp_table:
            line, end, rest = self.waiting.partition(b"\n")
            if not end:
                return None
        else:
            length, colon, rest = self.waiting.partition(b":")
            if not colon and len(length) < 8:
                return None
            if not length.isdigit():
                return None, repr(self.waiting[:100])
            if len(rest) <= int(length):
                return None
            line, rest = rest[:int(length)], rest[int(length):]
            if rest[:1] != b",":
                return None, repr(self.waiting[:100])
            rest = rest[1:]
        if rest:
            return None, f"more than one reply: {self.waiting[:100]!r}"
        self.waiting = b""
        word, _, value = line.partition(b" ")
        if self.tcp_table:
            word = {b"200": OK, b"500": NOTFOUND, b"400": TEMP}.get(word)
            value = b"" if word == NOTFOUND else value.replace(b"%20", b" ")
        else:
            word = {b"OK": OK, b"NOTFOUND": NOTFOUND, b"TEMP": TEMP}.get(word)
        return word, value.decode("utf-8", "replace") if word else repr(line)


class Stream:
    """See the head of the file. The counts of all questions are in .counts."""

    checked = []  # the counts of those that were checked, for conftest.py

    def __init__(self, sandbox, clients=6, tables=2, deadline=2.0, pause=0.01, change_every=0.02,
                 domains=12, reuse=100, lag=0.0, seed=1):
        """clients: of socketmap; tables: of each tcp_table listener. pause: of a client between two
        questions, seconds. change_every: pause of the writer; None: no writer. reuse: questions a
        connection. lag: see History."""
        self.sandbox, self.deadline, self.pause, self.reuse = sandbox, deadline, pause, reuse
        self.random = random.Random(seed)
        self.history = History(lag)
        self.changing_names = [f"d{number}.{ZONE}" for number in range(domains)] \
            + [f".d{number}.{ZONE}" for number in range(0, domains, 2)]
        self.fixed = [f"fixed{number}.{ZONE}" for number in range(4)]
        self.questions = self._questions(domains)
        self.snapshots, self.outages, self.lives = [], [], []
        self.counts = Counts()
        self.phases = [self.counts]
        self.stalls = []  # when this program itself was not run: [begin, end]
        self.selector = selectors.DefaultSelector()
        self.timers, self.order = [], itertools.count()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.writer = None
        if change_every is not None:
            self.writer = _Writer(sandbox, self.history, self.changing_names, change_every, seed)
        self.failure = None
        # a third has no use for the table domain
        self.clients = [_Client(self, lambda: sandbox.env["SOCKETMAP"], False,
                                NOTFOUND_WHEN_ABSENT if number % 3 == 2 else None)
                        for number in range(clients)]
        for name in ("relay_domains", "transport"):
            self.clients += [_Client(self, lambda name=name: sandbox.env["TCP_" + name.upper()], True,
                                     (name,)) for _ in range(tables)]

    def _questions(self, domains):
        found = [Question("relay_domains", f"absent.{ZONE}"), Question("transport", f"u@absent.{ZONE}"),
                 Question("virtual_aliases", f"u@absent.{ZONE}")]
        for name in [f"d{number}.{ZONE}" for number in range(domains)] + self.fixed:
            found += [Question("relay_domains", name), Question("relay_domains", "Sub." + name),
                      Question("transport", "U@" + name), Question("transport", "x@sub." + name),
                      Question("relay_recipients", "u@" + name), Question("relay_recipients", "x@" + name),
                      Question("virtual_aliases", "u@" + name), Question("sender_access", "u@" + name)]
        return found

    # -- the test's side --

    def fill(self):
        """The rows as the stream begins with them. Rows of an earlier stream go."""
        self.sandbox.sql(f"DELETE FROM domain WHERE name LIKE '%{ZONE}'",
                         *(f"DELETE FROM {table} WHERE {column} LIKE '%{ZONE}'" for table, column in
                           (("recipient", "address"), ("alias", "address"), ("access", "pattern"))))
        rows = {("domain", name): (True, None, "any") for name in self.changing_names[::2] + self.fixed}
        rows[("alias", "u@" + self.fixed[0])] = "goal@goal.example"
        rows[("recipient", "u@" + self.fixed[1])] = (False, None)
        with contextlib.closing(self.sandbox.connect()) as connection, connection.cursor() as cursor:
            for row, state in rows.items():
                for statement in _Writer._statements(row, state):
                    cursor.execute(*statement)
                self.history.initial(row, state)

    def __enter__(self):
        self.fill()
        now = time.monotonic()
        for number, client in enumerate(self.clients):
            self.at(now + self.pause * number / len(self.clients), client)
        self.thread.start()
        if self.writer:
            self.writer.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Questions that are on their way are answered first."""
        if self.writer:
            self.writer.stopped.set()
        self.stopping.set()
        self.thread.join(2 * PATIENCE)
        if self.writer:
            self.writer.join(30)

    def check(self, lost=0, refused=0):
        """No answer was wrong, late or missing. lost, refused: connections that may be; None: any."""
        assert self.failure is None, self.failure
        assert self.writer is None or self.writer.failure is None, self.writer.failure
        assert not self.thread.is_alive(), "the stream does not end"
        counts = self.counts
        assert counts.wrong == counts.late == counts.silent == 0, counts
        assert lost is None or counts.lost <= lost, counts
        assert refused is None or counts.refused <= refused, counts
        assert counts.answers > 0, counts
        Stream.checked.append(str(counts))
        return counts

    @contextlib.contextmanager
    def phase(self):
        """Counts of the questions that are asked from now on, until the end of the block."""
        counts = Counts()
        self.phases = [*self.phases, counts]
        try:
            yield counts
        finally:
            self.phases = [other for other in self.phases if other is not counts]

    def wait_live(self, timeout=10.0):
        """Waits until every client has had an answer from now on that is not "temporary"; returns
        how long that took, in seconds."""
        begun = time.monotonic()
        while not all(client.live > begun for client in self.clients):
            assert self.failure is None, self.failure
            assert time.monotonic() - begun < timeout, f"not live after {timeout} s: {self.counts}"
            time.sleep(0.01)
        return time.monotonic() - begun

    def wait_answers(self, count, timeout=30.0):
        """Waits for so many more answers."""
        before, begun = self.counts.answers, time.monotonic()
        while self.counts.answers - before < count:
            assert self.failure is None, self.failure
            assert time.monotonic() - begun < timeout, \
                f"{self.counts.answers - before} of {count} answers after {timeout} s: {self.counts}"
            time.sleep(0.01)

    @contextlib.contextmanager
    def still(self):
        """The writer pauses: for tests that do something with whole tables."""
        with self.writer.lock if self.writer else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def outage(self):
        """Nothing can come from the database: entered when it is surely gone, left before it is
        started. What is asked and answered in between must come from a snapshot, or be temporary."""
        span = [time.monotonic(), float("inf")]
        self.outages = [*self.outages, span]
        try:
            yield
        finally:
            span[1] = time.monotonic()

    @contextlib.contextmanager
    def live(self):
        """No answer may come from a snapshot: what is asked and answered in between must be what the
        tables hold, or temporary."""
        span = [time.monotonic(), float("inf")]
        self.lives = [*self.lives, span]
        try:
            yield
        finally:
            span[1] = time.monotonic()

    @contextlib.contextmanager
    def copying(self, only=True):
        """A snapshot is taken during the block. Its answers are right from the block's beginning
        on; only: those of earlier snapshots no more, from its end on."""
        snapshot = [time.monotonic(), float("inf"), float("inf")]  # read from, read until, used until
        self.snapshots = [*self.snapshots, snapshot]
        try:
            yield
        finally:
            snapshot[1] = time.monotonic()
            if only:
                for other in self.snapshots[:-1]:
                    other[2] = min(other[2], snapshot[1])

    # -- the clients' side --

    def at(self, when, client):
        """Wakes a client then, and at no other time that was said before."""
        client.alarm = next(self.order)
        heapq.heappush(self.timers, (when, client.alarm, client))

    def fault(self, kind, client, text):
        question = client.question
        where = "tcp_table" if client.tcp_table else "socketmap"
        text = f"{where} {question.map} {question.key}: {text}" if question else f"{where}: {text}"
        for counts in self.phases:
            counts.fault(kind, text)

    def expected(self, question, asked, answered):
        """The set of right answers, but for "temporary", which always is one."""
        def within(spans):
            return any(begin <= asked and answered <= end for begin, end in spans)

        found = set()
        if not within(self.outages):
            for word, value in self.history.answers(question, asked, answered):
                found.add((NOTFOUND, "") if word == ABSENT else (word, value))
        for begin, end, until in self.snapshots if not within(self.lives) else ():
            if begin <= answered and asked <= until:
                for word, value in self.history.answers(question, begin, min(end, answered)):
                    if word != ABSENT:
                        found.add((word, value))
                    elif question.map in NOTFOUND_WHEN_ABSENT:
                        found.add((NOTFOUND, ""))
        return found

    def answered(self, client, answer, asked, now):
        """Judges an answer, and counts it."""
        word, value = answer
        question = client.question
        if word in (OK, NOTFOUND):
            client.live = asked
        if word != TEMP:
            expected = self.expected(question, asked, now)
            if (word, value) not in expected:
                self.fault("wrong", client, f"{answer}, and not {sorted(expected) or 'temporary'}")
        seconds = now - asked
        # a machine that did not run this program for a while has not run it when the answer came
        stalled = sum(max(0.0, min(end, now) - max(begin, asked)) for begin, end in self.stalls[-50:])
        if seconds - stalled > self.deadline + GRACE:
            self.fault("late", client, f"{word} after {seconds:.3f} s")
        name = {OK: "found", NOTFOUND: "notfound", TEMP: "temporary"}.get(word)
        for counts in self.phases:
            if name and counts.began <= asked:
                setattr(counts, name, getattr(counts, name) + 1)
                counts.longest = max(counts.longest, seconds)

    def _run(self):
        try:
            self._loop()
        except BaseException as error:
            self.failure = error
        finally:
            for client in self.clients:
                client.close()
            self.selector.close()

    def _loop(self):
        before = time.monotonic()
        while True:
            if self.stopping.is_set() and all(client.state == "idle" for client in self.clients):
                return
            wait = max(0.0, min(self.timers[0][0] - time.monotonic(), 0.02)) if self.timers else 0.02
            events = self.selector.select(wait)
            now = time.monotonic()
            if now - before > 0.1:
                self.stalls.append((before, now))
            before = now
            for key, _ in events:
                if key.data.socket is not None and key.fileobj is key.data.socket:
                    key.data.on_event(now)
            while self.timers and self.timers[0][0] <= now:
                _, alarm, client = heapq.heappop(self.timers)
                if alarm == client.alarm and not (self.stopping.is_set() and client.state == "idle"):
                    client.ready(time.monotonic())
