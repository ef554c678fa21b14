/* What a lookup can end with. "Not found" is said only when the database, or a valid snapshot, said
 * so; everything else that is no value is temporary. */
#ifndef LOOKUPD_ANSWER_H
#define LOOKUPD_ANSWER_H

#include <stddef.h>

enum lookup_result { LOOKUP_FOUND, LOOKUP_NOT_FOUND, LOOKUP_TEMPORARY };

/* socketmap reply limit, Postfix 3.7 (100000 octets of payload), less "OK ". */
#define ANSWER_VALUE_MAX 99997

struct answer {
    enum lookup_result result;
    /* The value when found; the reason, in words for a log, when temporary. Not NUL-terminated.
     * Borrowed: valid only during the call that is given the answer. */
    const char *text;
    size_t len;
};

#endif
