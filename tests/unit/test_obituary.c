/* What the end of a child means: real children, real ends. */
#include "server/obituary.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *end_of(int signal_number, int code, bool ours)
{
    static char text[200];
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(signal_number, SIG_DFL);
        if (signal_number)
            raise(signal_number);
        _exit(code);
    }
    cr_assert_gt(pid, 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return obituary_write(status, ours, text, sizeof text);
}

Test(obituary, signals)
{
    cr_expect_str_eq(end_of(SIGKILL, 0, true), "was killed by lookupd itself");
    cr_expect_str_eq(end_of(SIGKILL, 0, false),
                     "was killed by somebody, or by the kernel for lack of memory (signal 9)");
    cr_expect_str_eq(end_of(SIGSEGV, 0, false),
                     "was ended by signal 11 (Segmentation fault), which is a fault of lookupd or "
                     "of a library: please report it");
    cr_expect_str_eq(end_of(SIGUSR1, 0, false),
                     "was ended by signal 10 (User defined signal 1), which somebody has sent");
    cr_expect_str_eq(
        end_of(SIGXCPU, 0, false),
        "was ended by signal 24 (CPU time limit exceeded), the limit of processor time "
        "of its account or service");
}

Test(obituary, codes)
{
    cr_expect_str_eq(end_of(0, 0, false), "ended with exit code 0: although nobody asked it to");
    cr_expect_str_eq(end_of(0, 71, false),
                     "ended with exit code 71: no memory, threads or descriptors");
    cr_expect_str_eq(end_of(0, 3, false), "ended with exit code 3: see what it has logged before");
}

/* Where the kernel counts those that it kills, somebody's SIGKILL is not taken for one of them. */
Test(obituary, kernel_that_tells)
{
    obituary_begin();
    const char *text = end_of(SIGKILL, 0, false);
    cr_expect(strcmp(text, "was killed by somebody (signal 9)") == 0 ||
                  strcmp(text,
                         "was killed by somebody, or by the kernel for lack of memory (signal "
                         "9)") == 0,
              "%s", text);
    cr_expect_eq(strlen(obituary_write(0, false, (char[8]){0}, 8)), 7);
}
