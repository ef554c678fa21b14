/*
 * Whether a database host is fit to answer: a node of a Galera cluster, or a replica, answers
 * queries also when its rows are old. Blocks, as connect.h.
 */
#ifndef LOOKUPD_HEALTH_H
#define LOOKUPD_HEALTH_H

#include "lookup/hosts.h"

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>

struct health {
    enum host_state state; /* GOOD, LESSER or DOWN */
    bool cluster;          /* a Galera node: its state can change while it goes on answering */
    unsigned number;       /* an error of MariaDB or Connector/C, or 0 */
    char text[500];        /* why it is not good */
};

/* Asks. max_lag is the setting: 0 asks nothing about replication. */
void health_check(MYSQL *mysql, int max_lag, struct health *health);

#endif
