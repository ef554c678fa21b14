#include "lookup/health.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* wsrep_local_state of a node that has all that its cluster has. */
#define SYNCED "4"

static void fail(MYSQL *mysql, struct health *health)
{
    health->state = HOST_DOWN;
    health->number = mysql_errno(mysql);
    if (health->number == ER_SPECIFIC_ACCESS_DENIED_ERROR)
        snprintf(health->text, sizeof health->text,
                 "database.max_lag needs the privilege REPLICA MONITOR: %s (%u)",
                 mysql_error(mysql), health->number);
    else
        snprintf(health->text, sizeof health->text, "%s (%u)", mysql_error(mysql), health->number);
}

static MYSQL_RES *ask(MYSQL *mysql, const char *sql, struct health *health)
{
    MYSQL_RES *result = NULL;
    if (mysql_query(mysql, sql) != 0 || (result = mysql_store_result(mysql)) == NULL)
        fail(mysql, health);
    return result;
}

/* Copies the value of a row (name, value) of SHOW; "" when there is no such row. */
static void find_value(MYSQL_RES *result, const char *name, char *value, size_t size)
{
    MYSQL_ROW row;
    value[0] = '\0';
    mysql_data_seek(result, 0);
    while ((row = mysql_fetch_row(result)) != NULL)
        if (row[0] && row[1] && strcmp(row[0], name) == 0)
            snprintf(value, size, "%s", row[1]);
}

/* SHOW is answered also by a node that refuses queries. */
static void check_cluster(MYSQL *mysql, struct health *health)
{
    char value[64];
    MYSQL_RES *result = ask(mysql, "SHOW GLOBAL VARIABLES LIKE 'wsrep\\_on'", health);
    if (result == NULL)
        return;
    find_value(result, "wsrep_on", value, sizeof value);
    mysql_free_result(result);
    if (strcmp(value, "ON") != 0)
        return;

    health->cluster = true;
    result =
        ask(mysql,
            "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status', "
            "'wsrep_local_state', 'wsrep_local_state_comment')",
            health);
    if (result == NULL)
        return;
    char ready[16], status[64], state[16], comment[64];
    find_value(result, "wsrep_ready", ready, sizeof ready);
    find_value(result, "wsrep_cluster_status", status, sizeof status);
    find_value(result, "wsrep_local_state", state, sizeof state);
    find_value(result, "wsrep_local_state_comment", comment, sizeof comment);
    mysql_free_result(result);
    if (strcmp(ready, "ON") != 0 || strcmp(status, "Primary") != 0) {
        health->state = HOST_DOWN;
        snprintf(health->text, sizeof health->text,
                 "the cluster's node is not ready (wsrep_ready %s, %s, %s)", ready, status,
                 comment);
    } else if (strcmp(state, SYNCED) != 0) {
        health->state = HOST_LESSER;
        snprintf(health->text, sizeof health->text, "the cluster's node may be behind (%s)",
                 comment);
    }
}

/* The value of a named column, "" for NULL. */
static const char *column(MYSQL_RES *result, MYSQL_ROW row, const char *name)
{
    const MYSQL_FIELD *fields = mysql_fetch_fields(result);
    for (unsigned i = 0; i < mysql_num_fields(result); i++)
        if (strcmp(fields[i].name, name) == 0)
            return row[i] ? row[i] : "";
    return "";
}

/* It has applied all that it ever received: what it lacks, its primary has kept for itself. */
static bool has_applied_all(MYSQL_RES *result, MYSQL_ROW row)
{
    const char *read = column(result, row, "Read_Master_Log_Pos");
    return *read && strcmp(read, column(result, row, "Exec_Master_Log_Pos")) == 0 &&
           strcmp(column(result, row, "Master_Log_File"),
                  column(result, row, "Relay_Master_Log_File")) == 0;
}

static void check_source(MYSQL_RES *result, MYSQL_ROW row, int max_lag, struct health *health)
{
    const char *receives = column(result, row, "Slave_IO_Running");
    const char *applies = column(result, row, "Slave_SQL_Running");
    const char *lag = column(result, row, "Seconds_Behind_Master");
    if (strcmp(applies, "Yes") != 0 || strcmp(receives, "No") == 0) {
        health->state = HOST_DOWN;
        snprintf(health->text, sizeof health->text, "replication is stopped");
    } else if (strcmp(receives, "Yes") != 0 || !*lag) {
        /* "Connecting", "Preparing": its primary is away, and nobody stopped it. */
        bool all = has_applied_all(result, row);
        if (health->state != HOST_DOWN)
            health->state = all ? HOST_LESSER : HOST_DOWN;
        snprintf(health->text, sizeof health->text, "the replica does not reach its primary%s",
                 all ? "" : ", and has not applied all that it received");
    } else if (strtol(lag, NULL, 10) > max_lag) {
        health->state = HOST_DOWN;
        snprintf(health->text, sizeof health->text, "the replica is %s s behind, more than max_lag",
                 lag);
    }
}

static void check_replication(MYSQL *mysql, int max_lag, struct health *health)
{
    MYSQL_RES *result = ask(mysql, "SHOW ALL SLAVES STATUS", health);
    if (result == NULL)
        return;
    MYSQL_ROW row;
    while (health->state != HOST_DOWN && (row = mysql_fetch_row(result)) != NULL)
        check_source(result, row, max_lag, health);
    mysql_free_result(result);
}

void health_check(MYSQL *mysql, int max_lag, struct health *health)
{
    *health = (struct health){.state = HOST_GOOD};
    check_cluster(mysql, health);
    if (max_lag > 0 && health->state != HOST_DOWN)
        check_replication(mysql, max_lag, health);
}
