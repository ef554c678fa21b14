/*
 * One prepared statement: the SQL of a map with room for a number of keys. Rooms come in a few
 * sizes, "steps", so that few statements serve any number: max_prepared_stmt_count is for the whole
 * server, and every worker's connection has its own.
 */
#ifndef LOOKUPD_STATEMENT_H
#define LOOKUPD_STATEMENT_H

#include "lookup/answer.h"
#include "lookup/map.h"

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>

#define STATEMENT_STEPS    7 /* for 1, 2, 4 ... 64 lookups that have no key in common */
#define STATEMENT_STEP_MAX (STATEMENT_STEPS - 1)
/* Keys of one list in the largest, see statement_capacity(). */
#define STATEMENT_KEYS_MAX 256

struct statement {
    MYSQL_STMT *stmt;
    struct map *map; /* holds its set */
    int step;
    bool prepared;
    char *sql;
    size_t capacity[LIST_COUNT];
    size_t parameter_count;
    MYSQL_BIND *parameters;
    unsigned long *lengths;
    my_bool *nulls;
};

/* How many keys of a list fit into the statement of a step. */
size_t statement_capacity(enum key_list list, int step);

/* Makes the statement, without asking the server. NULL without memory. */
struct statement *statement_new(MYSQL *mysql, struct map *map, int step);
/* Frees it; the server is told when the connection lives. */
void statement_free(struct statement *statement);

/*
 * After a prepare: that there are two columns, and as many parameters as we think. NULL when all is
 * well, else what is wrong.
 */
const char *statement_fault(const struct statement *statement);

/* The keys of a statement, of each list; borrowed until the statement has been executed. */
struct statement_keys {
    size_t count[LIST_COUNT];
    const struct candidate *keys[LIST_COUNT][STATEMENT_KEYS_MAX];
};

/*
 * Fills the parameters with keys, and pads them: with the last key again, or with NULL where a list
 * has none. The keys must fit. False with an error in the statement.
 */
bool statement_bind(struct statement *statement, const struct statement_keys *keys);

/* A row of a stored result; valid until the next. key is NULL for a row that can match nothing. */
struct row {
    const char *key;
    size_t key_len;
    const char *value; /* NULL: SQL NULL */
    size_t value_len;
};

enum row_status { ROW_OK, ROW_END, ROW_ERROR };

/*
 * Reads the next row of a result that mysql_stmt_store_result() has stored; bind once before the
 * first. Only ROW_END says that the result was complete.
 */
struct row_reader {
    /* A longer one can match no candidate, however much it shrinks when it is folded: three octets
     * become one at most (the Kelvin sign). */
    char key[3 * CANDIDATE_LEN_MAX + 2];
    char *value;
    size_t value_size;
    unsigned long key_len, value_len;
    my_bool key_null, value_null;
};
bool row_reader_bind(struct row_reader *reader, struct statement *statement);
enum row_status row_reader_next(struct row_reader *reader, struct statement *statement,
                                struct row *row);
void row_reader_clear(struct row_reader *reader);

/*
 * Prepares and runs the statement with no keys, blocking: false with the number and text of what is
 * wrong with it.
 */
bool statement_check(struct statement *statement, unsigned *number, char *text, size_t size);

#endif
