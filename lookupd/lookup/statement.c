#include "lookup/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Keys of each list that one lookup brings, as a rule. One that brings more (a name of many labels)
 * takes the room of several.
 */
static const size_t keys_per_lookup[LIST_COUNT] = {
    [LIST_ADDRESSES] = 2, [LIST_AT_DOMAINS] = 3, [LIST_DOMAINS] = 3,
    [LIST_LOCALS] = 2,    [LIST_CLIENTS] = 4,    [LIST_KEY] = 1,
};

_Static_assert(4 << STATEMENT_STEP_MAX <= STATEMENT_KEYS_MAX, "keys_per_lookup has at most 4");

size_t statement_capacity(enum key_list list, int step)
{
    return keys_per_lookup[list] << step;
}

struct statement *statement_new(MYSQL *mysql, struct map *map, int step)
{
    struct statement *statement = calloc(1, sizeof *statement);
    if (statement == NULL)
        return NULL;
    statement->map = map;
    maps_hold(map->set);
    statement->step = step;
    for (int list = 0; list < LIST_COUNT; list++)
        statement->capacity[list] = statement_capacity((enum key_list)list, step);
    statement->sql = query_expand(map->query, statement->capacity, &statement->parameter_count);
    size_t count = statement->parameter_count;
    statement->parameters = calloc(count, sizeof *statement->parameters);
    statement->lengths = calloc(count, sizeof *statement->lengths);
    statement->nulls = calloc(count, sizeof *statement->nulls);
    statement->stmt = mysql_stmt_init(mysql);
    if (!statement->sql || !statement->parameters || !statement->lengths || !statement->nulls ||
        !statement->stmt) {
        statement_free(statement);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        statement->parameters[i].buffer_type = MYSQL_TYPE_STRING;
        statement->parameters[i].length = &statement->lengths[i];
        statement->parameters[i].is_null = &statement->nulls[i];
    }
    return statement;
}

void statement_free(struct statement *statement)
{
    if (statement == NULL)
        return;
    if (statement->stmt)
        mysql_stmt_close(statement->stmt);
    free(statement->sql);
    free(statement->parameters);
    free(statement->lengths);
    free(statement->nulls);
    maps_release(statement->map->set);
    free(statement);
}

const char *statement_fault(const struct statement *statement)
{
    if (mysql_stmt_field_count(statement->stmt) != 2)
        return "the query must return two columns, key and value";
    if (mysql_stmt_param_count(statement->stmt) != statement->parameter_count)
        return "the server counts other parameters in the query than we do: is a list of keys "
               "inside quotes?";
    return NULL;
}

static void set_parameter(struct statement *statement, size_t at, const struct candidate *key)
{
    MYSQL_BIND *parameter = &statement->parameters[at];
    parameter->buffer = key ? (void *)(uintptr_t)key->text : NULL;
    parameter->buffer_length = key ? key->len : 0;
    statement->lengths[at] = parameter->buffer_length;
    statement->nulls[at] = key ? 0 : 1;
}

bool statement_bind(struct statement *statement, const struct statement_keys *keys)
{
    const struct query *query = statement->map->query;
    size_t at = 0;
    for (size_t place = 0; place < query_place_count(query); place++) {
        enum key_list list = query_place(query, place);
        size_t count = keys->count[list];
        for (size_t i = 0; i < statement->capacity[list]; i++) {
            size_t key = i < count ? i : count - 1;
            set_parameter(statement, at++, count ? keys->keys[list][key] : NULL);
        }
    }
    return mysql_stmt_bind_param(statement->stmt, statement->parameters) == 0;
}

bool row_reader_bind(struct row_reader *reader, struct statement *statement)
{
    if (reader->value == NULL) {
        reader->value_size = 2048;
        reader->value = malloc(reader->value_size);
        if (reader->value == NULL)
            return false;
    }
    MYSQL_BIND columns[2] = {
        {.buffer_type = MYSQL_TYPE_STRING,
         .buffer = reader->key,
         .buffer_length = sizeof reader->key,
         .length = &reader->key_len,
         .is_null = &reader->key_null},
        {.buffer_type = MYSQL_TYPE_STRING,
         .buffer = reader->value,
         .buffer_length = reader->value_size,
         .length = &reader->value_len,
         .is_null = &reader->value_null},
    };
    return mysql_stmt_bind_result(statement->stmt, columns) == 0;
}

/* Fetches a value that did not fit, into room that is kept for the next. */
static bool fetch_long_value(struct row_reader *reader, struct statement *statement)
{
    char *room = realloc(reader->value, reader->value_len);
    if (room == NULL)
        return false;
    reader->value = room;
    reader->value_size = reader->value_len;
    MYSQL_BIND column = {.buffer_type = MYSQL_TYPE_STRING,
                         .buffer = reader->value,
                         .buffer_length = reader->value_size,
                         .length = &reader->value_len,
                         .is_null = &reader->value_null};
    if (mysql_stmt_fetch_column(statement->stmt, &column, 1, 0) != 0)
        return false;
    if (reader->value_len > reader->value_size)
        reader->value_len = reader->value_size; /* over ANSWER_VALUE_MAX, as asked for */
    return row_reader_bind(reader, statement);
}

enum row_status row_reader_next(struct row_reader *reader, struct statement *statement,
                                struct row *row)
{
    int status = mysql_stmt_fetch(statement->stmt);
    if (status == MYSQL_NO_DATA)
        return ROW_END;
    if (status != 0 && status != MYSQL_DATA_TRUNCATED)
        return ROW_ERROR;
    *row = (struct row){0};
    if (reader->key_null || reader->key_len > sizeof reader->key)
        return ROW_OK;
    if (!reader->value_null) {
        if (reader->value_len > ANSWER_VALUE_MAX) {
            /* decision_end() refuses it by its length; its octets are not needed. */
            reader->value_len = ANSWER_VALUE_MAX + 1;
        }
        if (reader->value_len > reader->value_size && !fetch_long_value(reader, statement))
            return ROW_ERROR;
        row->value = reader->value;
        row->value_len = reader->value_len;
    }
    row->key = reader->key;
    row->key_len = reader->key_len;
    return ROW_OK;
}

void row_reader_clear(struct row_reader *reader)
{
    free(reader->value);
    reader->value = NULL;
    reader->value_size = 0;
}

bool statement_check(struct statement *statement, unsigned *number, char *text, size_t size)
{
    static const struct statement_keys none;
    const char *fault = NULL;
    if (mysql_stmt_prepare(statement->stmt, statement->sql, strlen(statement->sql)) == 0) {
        fault = statement_fault(statement);
        if (fault == NULL && statement_bind(statement, &none) &&
            mysql_stmt_execute(statement->stmt) == 0 &&
            mysql_stmt_store_result(statement->stmt) == 0)
            return true;
    }
    *number = fault ? 0 : mysql_stmt_errno(statement->stmt);
    if (fault)
        snprintf(text, size, "%s", fault);
    else
        snprintf(text, size, "%s (%u)", mysql_stmt_error(statement->stmt), *number);
    return false;
}
