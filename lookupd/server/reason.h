/* The text of a temporary answer, fit for a line of a log; and why a value must become one. */
#ifndef LOOKUPD_REASON_H
#define LOOKUPD_REASON_H

#include "lookup/answer.h"

#include <stddef.h>

/* Postfix logs so many octets of a reason (dict_sockmap.c, "%.200s"). */
#define REASON_MAX 200

/*
 * Copies a reason to out, which has REASON_MAX octets; returns how many were written. Octets that
 * are no printable ASCII become '?'; an empty reason gets a text. No NUL is written.
 */
size_t reason_copy(const char *reason, size_t len, char *out);

/*
 * Why a found value cannot be sent by a protocol whose values have at most max octets: a constant
 * text, NULL when it can. An empty value is an error of configuration to some Postfix tables and a
 * match to others; behind a NUL Postfix reads nothing.
 */
const char *reason_of_harm(const struct answer *answer, size_t max);

#endif
