/* Tries the queries of a configuration on the database, before anybody depends on them. */
#ifndef LOOKUPD_PROOF_H
#define LOOKUPD_PROOF_H

#include "lookup/connect.h"
#include "lookup/credentials.h"
#include "lookup/map.h"

enum proof {
    PROOF_GOOD,
    PROOF_WRONG,  /* a query is wrong, or the database refuses us: waiting does not help */
    PROOF_NOTHING /* the database cannot be reached, or something else stands in the way */
};

/*
 * Blocks, for as long as connecting and the queries take. Each thing that is wrong is said as a
 * line; with PROOF_NOTHING, error tells what stands in the way.
 */
enum proof proof_queries(struct maps *maps, const struct credentials *credentials,
                         void (*say)(const char *line, void *context), struct connect_error *error);

#endif
