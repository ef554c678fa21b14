#include "import/sqlrun.h"

#include <errmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names have 320 octets at most, routes 1000: both are ASCII by the tables' constraints. */
#define VALUE_MAX 4096

static bool fail(struct sqlrun_error *error, unsigned number, const char *text)
{
    error->number = number ? number : CR_UNKNOWN_ERROR;
    snprintf(error->text, sizeof error->text, "%s (%u)", text, error->number);
    return false;
}

static bool fail_statement(struct sqlrun_error *error, MYSQL_STMT *stmt)
{
    return fail(error, mysql_stmt_errno(stmt), mysql_stmt_error(stmt));
}

static bool no_memory(struct sqlrun_error *error)
{
    return fail(error, CR_OUT_OF_MEMORY, "no memory");
}

static MYSQL_STMT *prepare(MYSQL *mysql, const char *sql, size_t parameters,
                           struct sqlrun_error *error)
{
    MYSQL_STMT *stmt = mysql_stmt_init(mysql);
    if (stmt == NULL) {
        no_memory(error);
        return NULL;
    }
    if (mysql_stmt_prepare(stmt, sql, strlen(sql)) != 0)
        fail_statement(error, stmt);
    else if (mysql_stmt_param_count(stmt) != parameters)
        fail(error, CR_PARAMS_NOT_BOUND, "another number of parameters");
    else
        return stmt;
    mysql_stmt_close(stmt);
    return NULL;
}

/* Room for one row of a result. */
struct result {
    MYSQL_BIND binds[SQLRUN_COLUMNS];
    unsigned long lengths[SQLRUN_COLUMNS];
    my_bool nulls[SQLRUN_COLUMNS];
    const char *values[SQLRUN_COLUMNS];
    char texts[SQLRUN_COLUMNS][VALUE_MAX + 1];
};

static bool fetch(MYSQL_STMT *stmt, struct result *result, sqlrun_row *on_row, void *context,
                  struct sqlrun_error *error)
{
    unsigned columns = mysql_stmt_field_count(stmt);
    if (columns > SQLRUN_COLUMNS)
        return fail(error, CR_INVALID_PARAMETER_NO, "too many columns");
    for (unsigned i = 0; i < columns; i++)
        result->binds[i] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
                                        .buffer = result->texts[i],
                                        .buffer_length = VALUE_MAX,
                                        .length = &result->lengths[i],
                                        .is_null = &result->nulls[i]};
    if (mysql_stmt_bind_result(stmt, result->binds) != 0 || mysql_stmt_store_result(stmt) != 0)
        return fail_statement(error, stmt);
    int status;
    while ((status = mysql_stmt_fetch(stmt)) == 0) {
        for (unsigned i = 0; i < columns; i++) {
            result->values[i] = result->nulls[i] ? NULL : result->texts[i];
            if (!result->nulls[i])
                result->texts[i][result->lengths[i]] = '\0';
        }
        if (!on_row(result->values, result->lengths, context))
            return no_memory(error);
    }
    if (status == MYSQL_DATA_TRUNCATED)
        return fail(error, CR_UNKNOWN_ERROR, "a value in the tables is too long");
    return status == MYSQL_NO_DATA || fail_statement(error, stmt);
}

bool sqlrun_query(MYSQL *mysql, const char *sql, const char *const *parameters, size_t count,
                  sqlrun_row *on_row, void *context, struct sqlrun_error *error)
{
    MYSQL_STMT *stmt = prepare(mysql, sql, count, error);
    if (stmt == NULL)
        return false;
    MYSQL_BIND *binds = calloc(count + 1, sizeof *binds);
    struct result *result = on_row ? malloc(sizeof *result) : NULL;
    bool good = binds != NULL && (result != NULL || on_row == NULL);
    if (!good)
        no_memory(error);
    for (size_t i = 0; good && i < count; i++) {
        binds[i].buffer_type = parameters[i] ? MYSQL_TYPE_STRING : MYSQL_TYPE_NULL;
        /* only read: the type has no const because results are bound with it too */
        memcpy(&binds[i].buffer, &parameters[i], sizeof binds[i].buffer);
        binds[i].buffer_length = parameters[i] ? (unsigned long)strlen(parameters[i]) : 0;
    }
    if (good &&
        ((count > 0 && mysql_stmt_bind_param(stmt, binds) != 0) || mysql_stmt_execute(stmt) != 0))
        good = fail_statement(error, stmt);
    if (good && on_row)
        good = fetch(stmt, result, on_row, context, error);
    free(binds);
    free(result);
    mysql_stmt_close(stmt);
    return good;
}

char *sqlrun_list(const char *before, size_t count, const char *after)
{
    size_t size = strlen(before) + 3 * count + strlen(after) + 3;
    char *sql = malloc(size);
    if (sql == NULL)
        return NULL;
    char *end = stpcpy(stpcpy(sql, before), "(?");
    for (size_t i = 1; i < count; i++)
        end = stpcpy(end, ", ?");
    stpcpy(stpcpy(end, ")"), after);
    return sql;
}

struct sqlrun_bulk {
    MYSQL_STMT *stmt;
    size_t columns;
    unsigned rows;
    MYSQL_BIND binds[SQLRUN_COLUMNS];
    const char *values[SQLRUN_COLUMNS][SQLRUN_ROWS];
    unsigned long lengths[SQLRUN_COLUMNS][SQLRUN_ROWS];
    char indicators[SQLRUN_COLUMNS][SQLRUN_ROWS];
};

struct sqlrun_bulk *sqlrun_bulk_new(MYSQL *mysql, const char *sql, size_t columns,
                                    struct sqlrun_error *error)
{
    struct sqlrun_bulk *bulk = calloc(1, sizeof *bulk);
    if (bulk == NULL) {
        no_memory(error);
        return NULL;
    }
    bulk->columns = columns;
    bulk->stmt = prepare(mysql, sql, columns, error);
    if (bulk->stmt == NULL) {
        free(bulk);
        return NULL;
    }
    for (size_t i = 0; i < columns; i++)
        bulk->binds[i] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
                                      .buffer = bulk->values[i],
                                      .length = bulk->lengths[i],
                                      .u.indicator = bulk->indicators[i]};
    return bulk;
}

bool sqlrun_bulk_add(struct sqlrun_bulk *bulk, const char *const *values,
                     struct sqlrun_error *error)
{
    for (size_t i = 0; i < bulk->columns; i++) {
        bulk->values[i][bulk->rows] = values[i] ? values[i] : "";
        bulk->lengths[i][bulk->rows] = values[i] ? (unsigned long)strlen(values[i]) : 0;
        bulk->indicators[i][bulk->rows] = values[i] ? STMT_INDICATOR_NONE : STMT_INDICATOR_NULL;
    }
    bulk->rows++;
    return bulk->rows < SQLRUN_ROWS || sqlrun_bulk_flush(bulk, error);
}

bool sqlrun_bulk_flush(struct sqlrun_bulk *bulk, struct sqlrun_error *error)
{
    unsigned rows = bulk->rows;
    if (rows == 0)
        return true;
    bulk->rows = 0;
    if (mysql_stmt_attr_set(bulk->stmt, STMT_ATTR_ARRAY_SIZE, &rows) != 0 ||
        mysql_stmt_bind_param(bulk->stmt, bulk->binds) != 0 || mysql_stmt_execute(bulk->stmt) != 0)
        return fail_statement(error, bulk->stmt);
    return true;
}

void sqlrun_bulk_free(struct sqlrun_bulk *bulk)
{
    if (bulk == NULL)
        return;
    mysql_stmt_close(bulk->stmt);
    free(bulk);
}
