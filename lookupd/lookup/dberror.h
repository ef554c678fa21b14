/* What an error number of MariaDB or of Connector/C means for a lookup. */
#ifndef LOOKUPD_DBERROR_H
#define LOOKUPD_DBERROR_H

#include <stdbool.h>

enum dberror_kind {
    DBERROR_CONNECTION, /* the connection is dead, or in doubt: close it; the query may be repeated
                         */
    DBERROR_STATEMENTS, /* no room for another prepared statement (1461): use a smaller one */
    DBERROR_REPREPARE,  /* the server does not know the statement any more */
    DBERROR_HOST,       /* lies in this host's disk, memory or files: another one may answer */
    DBERROR_QUERY, /* lies in the query, the schema, the rights, or in a lock: temporary for all */
    DBERROR_DATA   /* may lie in one of the keys: each is asked again by itself */
};

enum dberror_kind dberror_kind(unsigned number);

/* Whether the error says nothing about the statement: another time the same may go well. */
bool dberror_is_passing(unsigned number);

#endif
