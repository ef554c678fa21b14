/* Running named-checkconf: scripts of a shell stand for it, and do what it never should. */
#include "import/checkconf.h"

#include "common/clock.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of programs that end by themselves: far more than they need. */
#define LONG_MS 60000
/* Of programs that do not. */
#define SHORT_MS 300
/* Until a process that was killed is gone, and the like. */
#define PATIENCE_MS 20000

static char folder[100];
static char error[400];
static struct checkconf_output output;

static void begin(void)
{
    strcpy(folder, "/tmp/lookupd-checkconf.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static const char *path_of(const char *name)
{
    static char paths[4][200];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void end(void)
{
    static const char *const names[] = {"program", "pid", "file", "pipe"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(path_of(names[i]));
    (void)rmdir(folder);
    free(output.text);
}

TestSuite(checkconf, .init = begin, .fini = end);

static const char *write_program(const char *text)
{
    const char *path = path_of("program");
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert(fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, 0755) == 0);
    return path;
}

/* Runs a shell's script with arguments "-px" and the test's folder. */
static bool run_within(const char *script, size_t size_max, int milliseconds)
{
    char text[2000];
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", script);
    const char *const argv[] = {write_program(text), "-px", folder, NULL};
    free(output.text);
    output = (struct checkconf_output){.text = NULL};
    error[0] = '\0';
    bool good = checkconf_run_within(argv, size_max, milliseconds, &output, error, sizeof error);
    cr_expect_eq(good, error[0] == '\0', "%s", error);
    cr_expect_eq(good, output.text != NULL);
    cr_expect(!good || strlen(output.text) <= output.len);
    cr_expect_null(strchr(error, '\n'), "%s", error);
    return good;
}

static bool run(const char *script)
{
    return run_within(script, CHECKCONF_OUTPUT_MAX, LONG_MS);
}

static void expect_output(const char *script, const char *expected)
{
    cr_assert(run(script), "%s: %s", script, error);
    cr_expect_str_eq(output.text, expected, "%s\ngave\n%s", script, output.text);
    cr_expect_eq(output.len, strlen(expected));
}

/* The error is the program's path, ": " and the expected text. */
static void expect_error(const char *expected)
{
    const char *program = path_of("program");
    size_t len = strlen(program);
    cr_expect(strncmp(error, program, len) == 0 && strncmp(error + len, ": ", 2) == 0, "%s", error);
    cr_expect_str_eq(error + len + 2, expected, "%s", error);
}

static void expect_failure(const char *script, const char *expected)
{
    cr_expect_not(run(script), "%s", script);
    expect_error(expected);
}

/* Polls, for as long as a loaded machine may need. */
static bool comes_true(bool (*condition)(pid_t pid), pid_t pid)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    for (uint64_t until = clock_now() + PATIENCE_MS * (CLOCK_SECOND / 1000); clock_now() < until;
         nanosleep(&pause, NULL))
        if (condition(pid))
            return true;
    return condition(pid);
}

/* A zombie that nobody has waited for yet has ended too. */
static bool has_ended(pid_t pid)
{
    char path[40], line[300] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return true;
    bool read = fgets(line, sizeof line, f) != NULL;
    (void)fclose(f);
    const char *state = strrchr(line, ')');
    return !read || (state && (state[2] == 'Z' || state[2] == 'X'));
}

/* The process whose id a script wrote to the file "pid"; 0: not yet. */
static pid_t read_pid(void)
{
    char line[20] = "";
    FILE *f = fopen(path_of("pid"), "r");
    if (f == NULL)
        return 0;
    bool whole = fgets(line, sizeof line, f) != NULL && strchr(line, '\n') != NULL;
    (void)fclose(f);
    return whole ? (pid_t)strtol(line, NULL, 10) : 0;
}

static bool has_pid(pid_t pid)
{
    return read_pid() != 0;
}

/* ---- it ends by itself ---- */

Test(checkconf, what_is_printed)
{
    expect_output("echo \"$0\" | sed 's,.*/,,'; echo \"$1\"; echo more >&2", "program\n-px\n");
    expect_output("", "");
    expect_output("printf 'no newline'", "no newline");
    expect_output("echo first; sleep 0.05; echo second", "first\nsecond\n");
    cr_assert(run("printf 'a\\000b'"));
    cr_expect_eq(output.len, 3);
    cr_expect(memcmp(output.text, "a\0b", 4) == 0);
    /* much to standard error does not stop it */
    expect_output("head -c 1000000 /dev/zero >&2; echo done", "done\n");
}

Test(checkconf, large_output)
{
    cr_assert(run_within("head -c 20000000 /dev/zero", 20000000, LONG_MS), "%s", error);
    cr_expect_eq(output.len, 20000000);
    cr_expect_not(run_within("head -c 20000001 /dev/zero", 20000000, LONG_MS));
    expect_error("printed more than is believed and was killed");
    cr_assert(run_within("printf 12345", 5, LONG_MS));
    cr_expect_not(run_within("printf 123456", 5, LONG_MS));
}

Test(checkconf, three_hundred_megabytes)
{
    const uint64_t begun = clock_now();
    expect_failure("head -c 300000000 /dev/zero", "printed more than is believed and was killed");
    /* and without end */
    cr_expect_not(run_within("echo $$ > \"$2/pid\"; exec cat /dev/zero", 1 << 20, LONG_MS));
    cr_expect(has_ended(read_pid()));
    cr_expect_lt(clock_now() - begun, (uint64_t)LONG_MS * (CLOCK_SECOND / 1000));
}

Test(checkconf, exit_codes_and_complaints)
{
    expect_failure("exit 1", "ended with exit code 1");
    expect_failure("echo 'options {};'; exit 3", "ended with exit code 3: options {};");
    expect_failure("echo 'named.conf:3: unknown option \"zonee\"'; echo more; exit 1",
                   "ended with exit code 1: named.conf:3: unknown option \"zonee\"");
    /* warnings come before what was wrong */
    expect_failure("echo \"a.conf:1: option 'x' is deprecated\"; echo; echo \"b.conf:2: 'y' is "
                   "obsolete\"; echo 'keys.conf: permission denied'; exit 1",
                   "ended with exit code 1: keys.conf: permission denied");
    expect_failure("echo \"a.conf:1: option 'x' is deprecated\"; exit 1",
                   "ended with exit code 1: a.conf:1: option 'x' is deprecated");
    /* standard error says it better: the loader, for one */
    expect_failure("echo out; echo 'error while loading shared libraries' >&2; exit 127",
                   "ended with exit code 127: error while loading shared libraries");
    expect_failure("printf 'a\\033[31m\\303\\274\\tb\\n'; exit 1",
                   "ended with exit code 1: a?[31m???b");
    cr_expect_not(run("head -c 5000 /dev/zero | tr '\\000' x; exit 1"));
    cr_expect_eq(strlen(error), sizeof error - 1);
    cr_expect_not(run("head -c 500000 /dev/zero | tr '\\000' x >&2; exit 1"));
    cr_expect_eq(strlen(error), sizeof error - 1);
}

Test(checkconf, killed_by_a_signal)
{
    expect_failure("echo begun; kill -KILL $$", "was killed by signal 9: begun");
    expect_failure("kill -TERM $$", "was killed by signal 15");
}

Test(checkconf, not_there)
{
    const char *const missing[] = {path_of("program"), NULL};
    cr_expect_not(checkconf_run(missing, &output, error, sizeof error));
    expect_error("No such file or directory");
    const char *const directory[] = {"/tmp", NULL};
    cr_expect_not(checkconf_run(directory, &output, error, sizeof error));
    cr_expect_str_eq(error, "/tmp: Permission denied");
    (void)write_program("#!/bin/sh\n");
    cr_assert(chmod(missing[0], 0644) == 0);
    cr_expect_not(checkconf_run(missing, &output, error, sizeof error));
    expect_error("Permission denied");
    /* no shell is asked instead */
    (void)write_program("echo no interpreter\n");
    cr_expect_not(checkconf_run(missing, &output, error, sizeof error));
    expect_error("Exec format error");
    (void)write_program("#!/nonexistent/sh\n");
    cr_expect_not(checkconf_run(missing, &output, error, sizeof error));
    expect_error("No such file or directory");
}

/* ---- it does not ---- */

Test(checkconf, hangs)
{
    cr_expect_not(run_within("echo $$ > \"$2/pid\"; echo begun; sleep 1000; echo late",
                             CHECKCONF_OUTPUT_MAX, SHORT_MS));
    expect_error("was not done in time and was killed");
    /* perhaps before the script wrote it: then it does not run either */
    pid_t pid = read_pid();
    cr_expect(pid == 0 || has_ended(pid));
}

/* Deaf to everything that can be ignored. */
Test(checkconf, hangs_and_ignores_signals)
{
    cr_expect_not(run_within("trap '' TERM INT HUP PIPE; while :; do sleep 1000; done",
                             CHECKCONF_OUTPUT_MAX, SHORT_MS));
    expect_error("was not done in time and was killed");
}

Test(checkconf, closes_its_output_and_goes_on)
{
    cr_expect_not(run_within("exec >&- 2>&-; sleep 1000", CHECKCONF_OUTPUT_MAX, SHORT_MS));
    expect_error("was not done in time and was killed");
    /* but it may take its time */
    expect_output("echo done; exec >&- 2>&-; sleep 0.1", "done\n");
    expect_failure("echo half; exec >&- 2>&-; sleep 0.1; exit 1", "ended with exit code 1: half");
}

/* Somebody could still print: what is there is perhaps not all. */
Test(checkconf, a_grandchild_holds_the_output)
{
    cr_expect_not(run_within("sleep 1000 & echo $! > \"$2/pid\"; echo done; exit 0",
                             CHECKCONF_OUTPUT_MAX, 3000));
    expect_error("was not done in time and was killed");
    cr_assert(has_pid(0));
    cr_expect(comes_true(has_ended, read_pid()), "the group is killed as a whole");
}

Test(checkconf, a_grandchild_that_holds_nothing_is_killed_too)
{
    expect_output("sleep 1000 >/dev/null 2>&1 & echo $! > \"$2/pid\"; echo done", "done\n");
    cr_assert(has_pid(0));
    cr_expect(comes_true(has_ended, read_pid()));
}

/* The one that waits is killed: what it waits for does not go on. */
Test(checkconf, it_ends_with_the_one_who_waits)
{
    pid_t parent = fork();
    cr_assert(parent >= 0);
    if (parent == 0) {
        (void)run("echo $$ > \"$2/pid\"; exec sleep 1000");
        _exit(0);
    }
    cr_assert(comes_true(has_pid, 0));
    pid_t pid = read_pid();
    cr_expect_not(has_ended(pid));
    cr_assert(kill(parent, SIGKILL) == 0 && waitpid(parent, NULL, 0) == parent);
    cr_expect(comes_true(has_ended, pid));
}

/* ---- what it gets ---- */

Test(checkconf, environment_folder_and_input)
{
    cr_assert(setenv("SECRET", "x", 1) == 0 && setenv("LD_LIBRARY_PATH", "/tmp", 1) == 0 &&
              setenv("LC_ALL", "de_DE.UTF-8", 1) == 0);
    /* as it was given: the shell adds PWD and its like by itself */
    cr_assert(run("tr '\\000' '\\n' </proc/$$/environ"), "%s", error);
    cr_expect_str_eq(output.text, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C\n", "%s",
                     output.text);
    expect_output("pwd; readlink /proc/$$/fd/0; cat", "/\n/dev/null\n");
}

static void ignore(int number)
{
}

Test(checkconf, descriptors_and_signals)
{
    sigset_t all;
    sigfillset(&all);
    cr_assert(signal(SIGTERM, SIG_IGN) != SIG_ERR && signal(SIGUSR1, ignore) != SIG_ERR &&
              signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    int low = open("/dev/zero", O_RDONLY), high = dup2(low, 700);
    cr_assert(low > 2 && high == 700 && sigprocmask(SIG_BLOCK, &all, NULL) == 0);
    /* the shell has opened its script */
    expect_output("for fd in /proc/$$/fd/*; do readlink $fd; done | "
                  "sed 's,^pipe:.*,pipe,; s,.*/program$,script,' | sort | tr '\\n' ' '",
                  "/dev/null pipe pipe script ");
    expect_output("grep -E '^Sig(Blk|Ign)' /proc/$$/status | tr -d '\\n\\t'",
                  "SigBlk:0000000000000000SigIgn:0000000000000000");
    struct sigaction now;
    cr_assert(sigaction(SIGCHLD, NULL, &now) == 0);
    cr_expect(now.sa_handler == SIG_IGN, "as it was before");
}

/* Standard descriptors that were closed: the pipes must not take their place. */
Test(checkconf, without_standard_descriptors)
{
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        close(0);
        close(1);
        close(2);
        bool good = run("echo out; echo err >&2; cat");
        _exit(good && output.len == 4 && memcmp(output.text, "out\n", 4) == 0 ? 0 : 1);
    }
    int status;
    cr_assert(waitpid(child, &status, 0) == child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *fds = opendir("/proc/self/fd");
    cr_assert_not_null(fds);
    while (readdir(fds) != NULL)
        count++;
    closedir(fds);
    return count;
}

Test(checkconf, nothing_is_left_behind)
{
    const size_t before = count_descriptors();
    expect_output("echo done", "done\n");
    expect_failure("exit 1", "ended with exit code 1");
    cr_expect_not(run_within("head -c 100 /dev/zero", 5, LONG_MS));
    cr_expect_not(run_within("sleep 1000", 5, 50));
    cr_expect_eq(count_descriptors(), before);
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "no child is left, no zombie either");
}

/* ---- such output in a file ---- */

static void expect_no_load(const char *path, const char *what)
{
    char expected[300];
    snprintf(expected, sizeof expected, "%s: %s", path, what);
    cr_expect_not(checkconf_load(path, &output, error, sizeof error));
    cr_expect_str_eq(error, expected);
}

Test(checkconf, a_file)
{
    const char *path = path_of("file");
    const size_t before = count_descriptors();
    expect_no_load(path, "No such file or directory");
    expect_no_load(folder, "Is a directory");
    expect_no_load("/dev/zero", "is no regular file");
    cr_assert(mkfifo(path_of("pipe"), 0600) == 0);
    expect_no_load(path_of("pipe"), "is no regular file");
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert(fclose(f) == 0 && checkconf_load(path, &output, error, sizeof error));
    cr_expect_eq(output.len, 0);
    cr_expect_str_eq(output.text, "");
    free(output.text);
    f = fopen(path, "w");
    cr_assert(f != NULL && fputs("zone \"a.test\" { };\n", f) >= 0 && fclose(f) == 0);
    cr_assert(checkconf_load(path, &output, error, sizeof error));
    cr_expect_str_eq(output.text, "zone \"a.test\" { };\n");
    free(output.text);
    output.text = NULL;
    cr_assert(truncate(path, CHECKCONF_OUTPUT_MAX + 1) == 0);
    expect_no_load(path, "File too large");
    cr_expect_eq(count_descriptors(), before);
}
