/*
 * A configuration on its way from one process to another: in memory that has no name, and that
 * nobody can change any more. There are passwords in it: it never touches a disk.
 */
#ifndef LOOKUPD_HANDOVER_H
#define LOOKUPD_HANDOVER_H

#include "lookup/credentials.h"
#include "lookup/map.h"

#include <stdbool.h>

/* A descriptor, closed on exec, for sending it; -1 with errno. */
int handover_make(const struct maps *maps, struct credentials *credentials);

/*
 * Reads what handover_make() wrote in another process; the descriptor stays the caller's. Messages
 * about it name the file and lines that it was read from in the first place. The caller has one
 * reference of each. False after logging why not.
 */
bool handover_take(int descriptor, struct maps **maps, struct credentials **credentials);

#endif
