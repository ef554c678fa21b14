/*
 * What a server takes over from whoever starts it, and what it must not: cron jobs, shells and
 * careless scripts leave descriptors open, signals ignored or blocked, and standard error closed.
 */
#ifndef LOOKUPD_INHERITED_H
#define LOOKUPD_INHERITED_H

#include <stddef.h>

/* sd_listen_fds(3): the first descriptor that systemd passes. */
#define INHERITED_FIRST_SOCKET 3

/*
 * Opens those of the descriptors 0 to 2 that are closed (on /dev/null: else a socket could become
 * standard error), sets signals and the file mode mask to what is usual, and ignores SIGPIPE. To be
 * called first, while there is one process and one thread.
 */
void inherited_settle(void);

/*
 * For a server: closes all descriptors from 3 on, but for the sockets that systemd has passed, and
 * sees to it that a standard error that is a pipe does not block.
 */
void inherited_close(void);

/*
 * How many sockets systemd has passed to this process, or to the one that was started and has
 * forked it: they are the descriptors from INHERITED_FIRST_SOCKET on, closed on exec.
 */
int inherited_sockets(void);

/* The name of one of them (FileDescriptorName=), not NUL-terminated; NULL: it has none. */
const char *inherited_name(int index, size_t *len);

/*
 * The descriptor of the one of this name, or -1; *count says how many have it: all sockets of one
 * unit do.
 */
int inherited_find(const char *name, int *count);

#endif
