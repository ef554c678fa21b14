/* What the end of a child process means, in words for the log. */
#ifndef LOOKUPD_OBITUARY_H
#define LOOKUPD_OBITUARY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Remembers how often the kernel has killed a process of ours for lack of memory, as far as it
 * tells (memory.events of the control group). To be called before there are children; without it,
 * or where the kernel tells nothing, it is only named as a possibility.
 */
void obituary_begin(void);

/*
 * Writes what status (as of waitpid(2)) means to text: "was killed by the kernel for lack of
 * memory", "ended by itself (exit code 71: no memory, threads or descriptors)". ours: this process
 * has sent SIGKILL. Returns text.
 */
const char *obituary_write(int status, bool ours, char *text, size_t size);

#endif
