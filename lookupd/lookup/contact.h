/*
 * What a pool has to do with one host of the settings: it asks through a connector of the host's
 * own, and remembers what came of that and why the host is not good. Decides nothing: which host is
 * used is hosts.h's business.
 */
#ifndef LOOKUPD_CONTACT_H
#define LOOKUPD_CONTACT_H

#include "common/log.h"
#include "lookup/connector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct contact;
struct event_base;

/*
 * Called from the event loop, as connector_done(): mysql is the callee's to close. number is the
 * error's (0: none, or our own); its text is remembered.
 */
typedef void contact_done(struct contact *contact, MYSQL *mysql, const struct health *health,
                          unsigned number, void *context);

struct contact {
    size_t index; /* in hosts.h */
    const char *name;
    enum connect_purpose purpose; /* of the last question */
    char why[700];                /* it is not good: names the host */

    /* Its own business. */
    struct event_base *base;
    contact_done *done;
    void *context;
    struct connector *connector; /* NULL: not needed yet */
    uint64_t asked;
    unsigned quick_failures; /* attempts in a row that were begun and cut off at once */
    uint64_t suspected;
    uint64_t unsure; /* since when its checks fail; 0: they do not */
    unsigned number; /* an error of MariaDB or Connector/C, or 0 */
    unsigned said_number;
    uint64_t said; /* that it cannot be reached */
};

/* Begins without a thread. The name must live as long. */
void contact_init(struct contact *contact, struct event_base *base, size_t index, const char *name,
                  contact_done *done, void *context);

/* Makes the thread that asks, which contact_ask() would otherwise do. False without memory or
 * threads. */
bool contact_prepare(struct contact *contact);

/*
 * Asks the host; as connector_ask(), now in monotonic nanoseconds. False without memory or threads:
 * why says so, and done() is not called.
 */
bool contact_ask(struct contact *contact, enum connect_purpose purpose, const struct conf *conf,
                 const struct credentials *credentials, uint64_t now);
bool contact_is_busy(const struct contact *contact);

/* No check will follow soon. */
void contact_forget(struct contact *contact);

/* Notes why the host is not good, behind its name. */
void contact_note(struct contact *contact, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The host itself says that it is not fit to answer; else it only could not be asked. */
bool contact_is_verdict(const struct health *health);

/*
 * An attempt that failed was ended while it was being made (KILL, a restart), which says little
 * about the next one. True a few times in a row: then there is no pause before that.
 */
bool contact_was_cut_off(struct contact *contact, const struct health *health, unsigned number,
                         uint64_t now);

/*
 * A check came to nothing, and what it would have said is unknown: true for as long as that may be,
 * while the connections go on answering. max_lag: the setting.
 */
bool contact_is_unsure(struct contact *contact, const struct health *health, int max_lag,
                       uint64_t now);

/* Notes that the host does not answer. False when that was suspected a moment ago. */
bool contact_suspect(struct contact *contact, uint64_t now);

/* Logs why it cannot be reached; with again only when the reason has changed, and now and then. */
void contact_say_unreachable(struct contact *contact, bool again, struct log_limit *limit,
                             uint64_t now);

/* As those of the connector: all are told to end before the first is waited for. */
void contact_stop(struct contact *contact);
bool contact_clear(struct contact *contact, uint64_t deadline);

#endif
