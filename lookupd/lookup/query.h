/*
 * The SQL of a map as an administrator writes it, with the names of key lists in it (":domains"),
 * and the statements with "?" that are made from it, for one lookup or for many.
 */
#ifndef LOOKUPD_QUERY_H
#define LOOKUPD_QUERY_H

#include "lookup/candidates.h"

#include <stdbool.h>
#include <stddef.h>

struct query;

/*
 * Takes the text apart. Names in quotes, identifiers and comments are left alone. On a fault (an
 * unknown list, a "?" of one's own, no list at all, a list that this kind of key never fills, one
 * elsewhere than in IN (...), a LIMIT) returns NULL and puts a text into error. keys: the lists
 * that such keys have (see query_lists_of()).
 */
struct query *query_parse(const char *sql, enum keys_kind keys, char *error, size_t error_size);
void query_free(struct query *query);

/* The number of places where lists are named, and the list named at each. */
size_t query_place_count(const struct query *query);
enum key_list query_place(const struct query *query, size_t place);

/* Whether any place is for this list. */
bool query_names(const struct query *query, enum key_list list);

/*
 * The statement in which every place of a list has capacity[list] parameters, each at least 1.
 * For free(); NULL without memory. *parameters gets their number.
 */
char *query_expand(const struct query *query, const size_t capacity[LIST_COUNT],
                   size_t *parameters);

#endif
