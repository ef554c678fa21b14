/* Reads and writes of a descriptor that the kernel may end in the middle: all of it, or an error.
 */
#ifndef LOOKUPD_WHOLE_H
#define LOOKUPD_WHOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes size octets where the file stands. False with errno; some may be written then. */
bool whole_write(int fd, const void *octets, size_t size);

/* Reads size octets at a place. Returns how many: fewer only where the file ends; -1 with errno. */
ssize_t whole_read(int fd, void *octets, size_t size, off_t at);

#endif
