#include "server/obituary.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

/* Where version 2 of control groups is mounted; with version 1 the kernel counts for others. */
#define CGROUP_FOLDER "/sys/fs/cgroup"

static long killed = -1; /* for lack of memory, when last looked at; -1: the kernel does not tell */

/* The number after a word that stands at the beginning of a line of a file; -1: there is none. */
static long read_count(const char *file, const char *word)
{
    char line[256];
    long count = -1;
    FILE *stream = fopen(file, "re");
    if (stream == NULL)
        return -1;
    while (fgets(line, sizeof line, stream))
        if (strncmp(line, word, strlen(word)) == 0)
            count = strtol(line + strlen(word), NULL, 10);
    (void)fclose(stream);
    return count;
}

static long count_killed(void)
{
    char line[512];
    char file[600] = "";
    FILE *stream = fopen("/proc/self/cgroup", "re");
    if (stream == NULL)
        return -1;
    while (fgets(line, sizeof line, stream)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "0::", 3) == 0)
            snprintf(file, sizeof file, CGROUP_FOLDER "%s/memory.events", line + 3);
    }
    (void)fclose(stream);
    return file[0] ? read_count(file, "oom_kill ") : -1;
}

void obituary_begin(void)
{
    killed = count_killed();
}

static const char *explain_kill(bool ours)
{
    if (ours)
        return "was killed by lookupd itself";
    long now = count_killed();
    if (killed >= 0 && now > killed) {
        killed = now;
        return "was killed by the kernel for lack of memory (signal 9)";
    }
    return killed >= 0 ? "was killed by somebody (signal 9)"
                       : "was killed by somebody, or by the kernel for lack of memory (signal 9)";
}

static const char *explain_signal(int number)
{
    switch (number) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGABRT:
    case SIGTRAP:
    case SIGSYS:
        return ", which is a fault of lookupd or of a library: please report it";
    case SIGXCPU:
        return ", the limit of processor time of its account or service";
    case SIGXFSZ:
        return ", the limit of file sizes of its account or service";
    default:
        return ", which somebody has sent";
    }
}

static const char *explain_code(int code)
{
    switch (code) {
    case EX_OK:
        return "although nobody asked it to";
    case EX_OSERR:
        return "no memory, threads or descriptors";
    case EX_SOFTWARE:
        return "a fault of lookupd: please report it";
    case EX_CONFIG:
        return "the configuration cannot be used";
    case EX_IOERR:
        return "a file cannot be read or written";
    case EX_TEMPFAIL:
        return "the database cannot be reached";
    default:
        return "see what it has logged before";
    }
}

const char *obituary_write(int status, bool ours, char *text, size_t size)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        snprintf(text, size, "%s", explain_kill(ours));
    else if (WIFSIGNALED(status))
        snprintf(text, size, "was ended by signal %d (%s)%s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), explain_signal(WTERMSIG(status)));
    else
        snprintf(text, size, "ended with exit code %d: %s", WEXITSTATUS(status),
                 explain_code(WEXITSTATUS(status)));
    return text;
}
