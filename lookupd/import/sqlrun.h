/*
 * Prepared statements as the importer needs them: one that reads rows of text, and one that writes
 * many rows in one round trip. Blocking; the connection's time-outs end them.
 */
#ifndef LOOKUPD_SQLRUN_H
#define LOOKUPD_SQLRUN_H

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>

#define SQLRUN_COLUMNS 11 /* at most, of a result or of a row that is written */
#define SQLRUN_ROWS    200

/* A fault of a statement; text has the server's words. */
struct sqlrun_error {
    unsigned number;
    char text[600];
};

/* One row of a result: NULL-terminated texts, NULL for SQL NULL. Valid during the call. Returns
 * false to end it (without memory). */
typedef bool sqlrun_row(const char *const *values, const unsigned long *lengths, void *context);

/* Prepares and runs a statement with text parameters (NULL: SQL NULL), and hands over its rows
 * (on_row NULL: it has none). A value longer than 4096 octets is an error. */
bool sqlrun_query(MYSQL *mysql, const char *sql, const char *const *parameters, size_t count,
                  sqlrun_row *on_row, void *context, struct sqlrun_error *error);

/* The statement "BEFORE (?, ?, …) AFTER" with count places; free(). NULL without memory. */
char *sqlrun_list(const char *before, size_t count, const char *after);

/* A statement that writes rows, SQLRUN_ROWS together. Values are borrowed until the flush. */
struct sqlrun_bulk;
struct sqlrun_bulk *sqlrun_bulk_new(MYSQL *mysql, const char *sql, size_t columns,
                                    struct sqlrun_error *error);
bool sqlrun_bulk_add(struct sqlrun_bulk *bulk, const char *const *values,
                     struct sqlrun_error *error);
bool sqlrun_bulk_flush(struct sqlrun_bulk *bulk, struct sqlrun_error *error);
void sqlrun_bulk_free(struct sqlrun_bulk *bulk);

#endif
