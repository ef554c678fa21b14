/* Giving up root, once everything that needs it is open. */
#ifndef LOOKUPD_PRIVILEGES_H
#define LOOKUPD_PRIVILEGES_H

#include <stdbool.h>

/*
 * As root: becomes user and group, without any other group, for good; false (logged) when that
 * cannot be. As anybody else: nothing to give up. In both cases the process and its children can
 * gain no privileges by executing anything.
 */
bool privileges_drop(const char *user, const char *group);

/* Raises the limit of open descriptors to at least wanted, as far as allowed. */
void privileges_raise_descriptors(unsigned long wanted);

#endif
