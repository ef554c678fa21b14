#include "lookup/contact.h"

#include "common/clock.h"
#include "lookup/dberror.h"

#include <errmsg.h>
#include <stdarg.h>
#include <stdio.h>

/* Attempts to connect that are cut off sooner than this are repeated so often without a pause. */
#define QUICK      (CLOCK_SECOND / 2)
#define QUICK_MOST 3
/* That the database cannot be reached is logged again this often. */
#define SAY_AGAIN (60 * CLOCK_SECOND)
/* A host is not suspected more often: a query that waits for a lock says so again and again. */
#define SUSPECT_AGAIN CLOCK_SECOND
/* How long the lag of a replica may be unknown before it counts as more than max_lag. */
#define UNSURE_MOST (5 * CLOCK_SECOND)

void contact_init(struct contact *contact, struct event_base *base, size_t index, const char *name,
                  contact_done *done, void *context)
{
    *contact = (struct contact){
        .index = index, .name = name, .base = base, .done = done, .context = context};
    contact_note(contact, "does not answer");
}

static void on_answered(MYSQL *mysql, const struct health *health,
                        const struct connect_error *error, void *context)
{
    struct contact *contact = context;
    contact->number = error->number;
    if (health->state != HOST_GOOD)
        snprintf(contact->why, sizeof contact->why, "%s", error->text);
    if (mysql)
        contact->quick_failures = 0;
    if (contact->purpose == CONNECT_TO_CHECK && health->state != HOST_DOWN)
        contact->unsure = 0;
    contact->done(contact, mysql, health, error->number, contact->context);
}

bool contact_prepare(struct contact *contact)
{
    if (contact->connector == NULL)
        contact->connector = connector_new(contact->base, on_answered, contact);
    return contact->connector != NULL;
}

bool contact_ask(struct contact *contact, enum connect_purpose purpose, const struct conf *conf,
                 const struct credentials *credentials, uint64_t now)
{
    contact->purpose = purpose;
    contact->asked = now;
    if (!contact_prepare(contact)) {
        contact_note(contact, "no memory or threads");
        return false;
    }
    connector_ask(contact->connector, purpose, contact->name, conf, credentials);
    return true;
}

bool contact_is_busy(const struct contact *contact)
{
    return contact->connector && connector_is_busy(contact->connector);
}

void contact_forget(struct contact *contact)
{
    if (contact->connector)
        connector_forget(contact->connector);
}

void contact_note(struct contact *contact, const char *format, ...)
{
    int len = snprintf(contact->why, sizeof contact->why, "%s: ", contact->name);
    if (len < 0 || (size_t)len >= sizeof contact->why)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(contact->why + len, sizeof contact->why - (size_t)len, format, args);
    va_end(args);
}

bool contact_is_verdict(const struct health *health)
{
    return health->number == 0 && health->text[0] != '\0';
}

bool contact_was_cut_off(struct contact *contact, const struct health *health, unsigned number,
                         uint64_t now)
{
    return !contact_is_verdict(health) && dberror_kind(number) == DBERROR_CONNECTION &&
           number != 0 && number != CR_CONNECTION_ERROR && number != CR_CONN_HOST_ERROR &&
           now - contact->asked < QUICK && contact->quick_failures++ < QUICK_MOST;
}

bool contact_is_unsure(struct contact *contact, const struct health *health, int max_lag,
                       uint64_t now)
{
    if (contact_is_verdict(health))
        return false;
    if (contact->unsure == 0)
        contact->unsure = now;
    return max_lag == 0 || now - contact->unsure < UNSURE_MOST;
}

bool contact_suspect(struct contact *contact, uint64_t now)
{
    if (now - contact->suspected < SUSPECT_AGAIN)
        return false;
    contact->suspected = now;
    contact_note(contact, "does not answer");
    return true;
}

void contact_say_unreachable(struct contact *contact, bool again, struct log_limit *limit,
                             uint64_t now)
{
    if ((again && contact->number == contact->said_number && now - contact->said < SAY_AGAIN) ||
        !log_allows(limit))
        return;
    contact->said = now;
    contact->said_number = contact->number;
    log_warning("database %s", contact->why);
}

void contact_stop(struct contact *contact)
{
    if (contact->connector)
        connector_stop(contact->connector);
}

bool contact_clear(struct contact *contact, uint64_t deadline)
{
    return contact->connector == NULL || connector_free(contact->connector, deadline);
}
