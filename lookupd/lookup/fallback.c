#include "lookup/fallback.h"

#include "common/clock.h"
#include "common/log.h"

#include <stdio.h>
#include <string.h>

/* That answers do not come from the database is said again this often. */
#define SAY_AGAIN (600 * CLOCK_SECOND)
/* A map that nobody has asked for so long is not said to be answered from the snapshot any more. */
#define FORGET (60 * CLOCK_SECOND)

void fallback_init(struct fallback *fallback, struct maps *maps)
{
    *fallback = (struct fallback){.maps = maps, .source = SOURCE_CONNECTING};
    (void)fallback_look(fallback, SOURCE_CONNECTING, NULL);
}

void fallback_clear(struct fallback *fallback)
{
    snapshot_free(fallback->snapshot);
    fallback->snapshot = NULL;
}

void fallback_set_snapshot(struct fallback *fallback, struct snapshot *snapshot)
{
    snapshot_free(fallback->snapshot);
    fallback->snapshot = snapshot;
}

static bool is_usable(const struct fallback *fallback)
{
    const struct conf_snapshot *conf = &fallback->maps->conf->snapshot;
    return fallback->snapshot && conf->directory && conf->interval > 0 &&
           snapshot_is_young(fallback->snapshot, conf->max_age);
}

/* Looks after maps whose queries fail while the database answers others: whether any is left. */
static bool look_at_maps(struct fallback *fallback)
{
    uint64_t now = clock_now();
    bool any = false;
    for (size_t i = 0; i < fallback->maps->count; i++) {
        struct map *map = &fallback->maps->list[i];
        if (!map->from_snapshot)
            continue;
        if (map->database_used > map->snapshot_used) {
            map->from_snapshot = false;
            log_info("map %s: live again", map->name);
        } else if (now - map->snapshot_used > FORGET) {
            map->from_snapshot = false;
        }
        any = any || map->from_snapshot;
    }
    return any;
}

static void say(struct fallback *fallback, const char *why)
{
    char time[SNAPSHOT_TIME_MAX];
    fallback->said = true;
    fallback->said_at = clock_now();
    if (fallback->usable)
        log_warning("answering from the snapshot of %s: %s",
                    snapshot_time(fallback->snapshot, time), why);
    else if (fallback->snapshot)
        log_warning("answering temporary errors: %s, and the snapshot of %s is too old", why,
                    snapshot_time(fallback->snapshot, time));
    else
        log_warning("answering temporary errors: %s, and there is no snapshot", why);
}

static void log_change(struct fallback *fallback, enum fallback_source before, bool was_usable,
                       const char *why)
{
    switch (fallback->source) {
    case SOURCE_CONNECTING:
        break;
    case SOURCE_DATABASE:
        if (fallback->said)
            log_info("live again");
        fallback->said = false;
        break;
    case SOURCE_UNREACHABLE:
    case SOURCE_SWITCHED_OFF:
        if (before != fallback->source || was_usable != fallback->usable || !fallback->said ||
            clock_now() - fallback->said_at >= SAY_AGAIN)
            say(fallback, why);
        break;
    }
}

/* Puts the text for the title together. */
static void describe(const struct fallback *fallback, bool some_maps, char text[FALLBACK_TEXT_MAX])
{
    char time[SNAPSHOT_TIME_MAX] = "";
    if (fallback->snapshot)
        snapshot_time(fallback->snapshot, time);
    const char *after = "";
    const char *from = "answering from the snapshot of ";
    switch (fallback->source) {
    case SOURCE_CONNECTING:
        snprintf(text, FALLBACK_TEXT_MAX, "connecting to the database");
        return;
    case SOURCE_DATABASE:
        if (some_maps && fallback->usable)
            snprintf(text, FALLBACK_TEXT_MAX, "live, some maps %s%s", from, time);
        else
            snprintf(text, FALLBACK_TEXT_MAX, "live");
        return;
    case SOURCE_UNREACHABLE:
        if (!fallback->usable) {
            snprintf(text, FALLBACK_TEXT_MAX, "database down, answering temporary errors");
            return;
        }
        break;
    case SOURCE_SWITCHED_OFF:
        if (!fallback->usable) {
            snprintf(text, FALLBACK_TEXT_MAX, "maintenance, answering temporary errors");
            return;
        }
        after = " (maintenance)";
        break;
    }
    snprintf(text, FALLBACK_TEXT_MAX, "%s%s%s", from, time, after);
}

bool fallback_look(struct fallback *fallback, enum fallback_source source, const char *why)
{
    enum fallback_source before = fallback->source;
    bool was_usable = fallback->usable;
    fallback->source = source;
    fallback->usable = is_usable(fallback);
    log_change(fallback, before, was_usable, why);
    char text[FALLBACK_TEXT_MAX];
    describe(fallback, look_at_maps(fallback), text);
    if (strcmp(text, fallback->text) == 0)
        return false;
    memcpy(fallback->text, text, sizeof text);
    return true;
}

const char *fallback_text(const struct fallback *fallback)
{
    return fallback->text;
}

/* A map whose query fails, or waits, while the database answers others. */
static void note_use(struct fallback *fallback, struct map *map, const char *fault)
{
    static struct log_limit limit;
    char time[SNAPSHOT_TIME_MAX];
    map->snapshot_used = clock_now();
    if (fallback->source != SOURCE_DATABASE || map->from_snapshot)
        return;
    map->from_snapshot = true;
    if (log_allows(&limit))
        log_warning("map %s: answering from the snapshot of %s: %s", map->name,
                    snapshot_time(fallback->snapshot, time), fault);
}

bool fallback_decide(struct fallback *fallback, struct lookup *lookup, const char **fault)
{
    if (!is_usable(fallback))
        return false;
    enum snapshot_result result = snapshot_lookup(fallback->snapshot, lookup);
    if (result == SNAPSHOT_NO_MAP)
        return false;
    note_use(fallback, lookup->map, *fault);
    if (result == SNAPSHOT_MAYBE) {
        *fault = "the database does not answer, and the snapshot cannot tell whether the row of "
                 "this key, which is not folded, is one";
        return false;
    }
    if (result == SNAPSHOT_ROWS || lookup->map->absent == ABSENT_NOT_FOUND)
        return true; /* no rows: "not found", as of the database */
    *fault = "the database does not answer, and the snapshot does not know this key";
    return false;
}
