/* Giving up root, once everything that needs it is open. */
#ifndef LOOKUPD_PRIVILEGES_H
#define LOOKUPD_PRIVILEGES_H

#include <stdbool.h>

/* As root: whether privileges_drop() will find user and group fit; false (logged) otherwise. To be
 * asked before sockets are given to them. */
bool privileges_check(const char *user, const char *group);

/*
 * As root: becomes user and group, with the groups that user is a member of, for good. In every
 * case the process and its children keep no capability, and can gain nothing by executing anything.
 * False (logged) when that cannot be, or when user or group is root.
 */
bool privileges_drop(const char *user, const char *group);

/* Raises the limit of open descriptors to at least wanted, as far as allowed. */
void privileges_raise_descriptors(unsigned long wanted);

#endif
