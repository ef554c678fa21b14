/*
 * Runs named-checkconf -px (or named-nzd2nzf) and keeps what it prints. No shell: execve() of an
 * absolute path, an environment of PATH and LC_ALL=C only, no descriptor but the three of its own,
 * standard input from /dev/null, the folder "/" (as named has it from systemd: an include that
 * stands before the option directory is relative to it), a process group that is killed as a whole
 * when the deadline or the size limit is passed. When this program is killed, the other one is too.
 * -x hides secrets, so that no key ever enters this program.
 */
#ifndef LOOKUPD_CHECKCONF_H
#define LOOKUPD_CHECKCONF_H

#include <stdbool.h>
#include <stddef.h>

/* 100,000 zones print 12 MB in 4 s. */
#define CHECKCONF_OUTPUT_MAX ((size_t)256 << 20)
#define CHECKCONF_SECONDS    120

struct checkconf_output {
    char *text; /* NUL-terminated; free() */
    size_t len;
};

/*
 * argv[0] is the absolute path. True only when the program ended with exit code 0 within the
 * limits; otherwise error has one line that names the program, says what happened, and ends with
 * the first line that it printed and that is no warning (unprintable octets replaced):
 * "…: /etc/bind/keys.conf: permission denied".
 */
bool checkconf_run(const char *const *argv, struct checkconf_output *output, char *error,
                   size_t error_size);
/* The same with limits of the caller's: size_max octets, and milliseconds until the program has
 * ended. */
bool checkconf_run_within(const char *const *argv, size_t size_max, int milliseconds,
                          struct checkconf_output *output, char *error, size_t error_size);
/* Reads such output from a file (regular, at most CHECKCONF_OUTPUT_MAX octets); errors as above. */
bool checkconf_load(const char *file, struct checkconf_output *output, char *error,
                    size_t error_size);

#endif
