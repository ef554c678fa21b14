#include "lookup/service.h"

#include <mysqld_error.h>
#include <stddef.h>
#include <string.h>

void service_forget(struct service *service)
{
    service->state = SERVICE_UNKNOWN;
    service->stale = service->asked;
}

bool service_is_missing(unsigned number)
{
    switch (number) {
    case ER_NO_SUCH_TABLE:
    case ER_NO_SUCH_TABLE_IN_ENGINE:
    case ER_BAD_TABLE_ERROR:
    case ER_BAD_DB_ERROR:
    case ER_NO_DB_ERROR:
    case ER_TABLESPACE_DISCARDED:
        return true;
    default:
        return false;
    }
}

static bool is_denied(unsigned number)
{
    return number == ER_TABLEACCESS_DENIED_ERROR || number == ER_COLUMNACCESS_DENIED_ERROR ||
           number == ER_DBACCESS_DENIED_ERROR;
}

static void switch_off(struct service *service, const char *why)
{
    service->state = SERVICE_NO;
    service->why = why;
}

static void take_failure(struct service *service)
{
    if (service_is_missing(service->number))
        switch_off(service, "the table service is missing");
    else if (service->state != SERVICE_UNKNOWN)
        return; /* a lock, an overload: what was known holds */
    else if (is_denied(service->number))
        /* The account lacks the right to this table alone, which the log says; that is no reason
         * to answer nothing. */
        service->state = SERVICE_YES;
    else
        switch_off(service, "the table service cannot be read");
}

void service_done(struct lookup *lookup, const struct answer *answer)
{
    struct service *service = (struct service *)((char *)lookup - offsetof(struct service, lookup));
    service->asked = false;
    if (service->stale) {
        service->stale = false;
        return;
    }
    switch (answer->result) {
    case LOOKUP_FOUND:
        if (answer->len == 3 && memcmp(answer->text, "yes", 3) == 0)
            service->state = SERVICE_YES;
        else
            switch_off(service, "the table service says so");
        break;
    case LOOKUP_NOT_FOUND:
        switch_off(service, "the table service has no row");
        break;
    case LOOKUP_TEMPORARY:
        take_failure(service);
        break;
    }
}
