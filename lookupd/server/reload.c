#include "server/reload.h"

#include "common/log.h"
#include "server/handover.h"
#include "server/line.h"
#include "server/proof.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static void report(const char *line, void *context)
{
    log_error("%s", line);
}

static void report_nothing(const char *line, void *context)
{
}

static struct settings_errors errors = {.report = report};

static bool part_differs(enum conf_part part, const struct reload_set *a,
                         const struct reload_set *b)
{
    return conf_part_differs(part, a->maps->conf, b->maps->conf) ||
           (part == CONF_DATABASE && !credentials_equal(a->credentials, b->credentials));
}

/* ---- in the child ---- */

/* Root could read it at the start; whoever only looks at its rights as root wonders. */
static void explain_rights(const char *file)
{
    if (file && access(file, R_OK) != 0 && errno == EACCES)
        log_error("%s: a reload is done as the user of the server, who may not read this", file);
}

/* A pipe would keep us waiting for somebody who writes. */
static bool is_file(const char *file)
{
    struct stat status;
    if (stat(file, &status) != 0 || S_ISREG(status.st_mode))
        return true; /* whoever opens it says what is wrong */
    settings_error_in(&errors, file, 0, "is not a regular file");
    return false;
}

/* The line of a setting of the top level; 0: it is not there. */
static unsigned line_of(const char *file, const char *name)
{
    struct settings_errors silent = {.report = report_nothing};
    unsigned line = 0;
    char *text = settings_load(file, &silent);
    config_t config;
    config_init(&config);
    if (text && settings_parse(&config, text, file, &silent)) {
        const config_setting_t *root = config_root_setting(&config);
        const config_setting_t *setting = config_setting_get_member(root, name);
        line = setting ? settings_line(setting) : 0;
    }
    config_destroy(&config);
    free(text);
    return line;
}

static void check_same(const struct conf *conf, const char *name, const char *now,
                       const char *before)
{
    if (strcmp(now, before) != 0)
        settings_error_in(&errors, conf->file, line_of(conf->file, name),
                          "%s: cannot change from \"%s\" to \"%s\" in a reload: restart lookupd",
                          name, before, now);
}

static struct maps *read_all(const char *file, const struct reload_set *force,
                             struct credentials **credentials)
{
    struct conf *conf = is_file(file) ? conf_read(file, &errors) : NULL;
    if (conf == NULL) {
        explain_rights(file);
        return NULL;
    }
    check_same(conf, "user", conf->user, force->maps->conf->user);
    check_same(conf, "group", conf->group, force->maps->conf->group);
    *credentials = credentials_read(conf->database.option_file, &errors);
    if (*credentials == NULL)
        explain_rights(conf->database.option_file);
    return maps_new(conf, &errors);
}

static bool is_same_database(struct maps *maps, struct credentials *credentials,
                             const struct reload_set *force)
{
    const struct reload_set next = {.maps = maps, .credentials = credentials};
    return !part_differs(CONF_DATABASE, &next, force);
}

/*
 * An outage must not forbid a reload: what the administrator changes may well be the way out of it.
 * But a database that is only mistyped looks like one, too: while the one in force answers, it is
 * not given up for one that does not.
 */
static int judge_unreached(struct maps *maps, struct credentials *credentials,
                           const struct reload_set *force, const struct connect_error *error)
{
    struct connect_error other;
    if (!is_same_database(maps, credentials, force) &&
        proof_queries(force->maps, force->credentials, report_nothing, &other) != PROOF_NOTHING) {
        log_error("%s: database %s: it is not given up for this: the database before can be "
                  "reached",
                  maps->conf->file, error->text);
        return EX_UNAVAILABLE;
    }
    log_warning("database %s: the queries of the new configuration were not tried", error->text);
    return EX_OK;
}

static int prove(struct maps *maps, struct credentials *credentials, const struct reload_set *force,
                 int line)
{
    int descriptor = handover_make(maps, credentials);
    struct line_message message = {.kind = LINE_RELOAD, .count = 1, .descriptors = {descriptor}};
    bool sent = descriptor >= 0 && line_send(line, &message);
    if (!sent)
        log_error("a new configuration cannot be handed over: %s", strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    if (!sent)
        return EX_OSERR;
    struct connect_error error;
    switch (proof_queries(maps, credentials, report, &error)) {
    case PROOF_GOOD:
        return EX_OK;
    case PROOF_NOTHING:
        return judge_unreached(maps, credentials, force, &error);
    case PROOF_WRONG:
        break;
    }
    return EX_CONFIG;
}

int reload_prove(const char *file, const struct reload_set *force, int line)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    setproctitle("checking a new configuration");
    struct credentials *credentials = NULL;
    struct maps *maps = read_all(file, force, &credentials);
    int code = EX_CONFIG;
    if (maps && credentials && errors.count == 0)
        code = prove(maps, credentials, force, line);
    maps_release(maps);
    credentials_free(credentials);
    return code;
}

/* ---- in the parent ---- */

bool reload_take(int descriptor, const struct reload_set *force, struct reload_set *next)
{
    if (!handover_take(descriptor, &next->maps, &next->credentials))
        return false;
    next->listeners = listeners_open(next->maps->conf, force->listeners);
    if (next->listeners)
        return true;
    maps_release(next->maps);
    credentials_free(next->credentials);
    return false;
}

void reload_commit(struct reload_set *force, struct reload_set *next)
{
    listeners_replace(force->listeners, next->listeners);
    maps_release(force->maps);
    credentials_free(force->credentials);
    *force = *next;
}

void reload_abandon(struct reload_set *next)
{
    listeners_abandon(next->listeners);
    maps_release(next->maps);
    credentials_free(next->credentials);
}

bool reload_concerns_copies(const struct reload_set *before, const struct reload_set *next)
{
    return part_differs(CONF_GENERAL, before, next) || part_differs(CONF_DATABASE, before, next) ||
           part_differs(CONF_MAPS, before, next) || part_differs(CONF_SNAPSHOT, before, next);
}

const char *reload_describe(const struct reload_set *before, const struct reload_set *next,
                            char *buffer, size_t size)
{
    static const char *const names[CONF_PARTS] = {[CONF_GENERAL] = "general settings",
                                                  [CONF_DATABASE] = "database",
                                                  [CONF_LISTENERS] = "listeners",
                                                  [CONF_MAPS] = "maps",
                                                  [CONF_LIMITS] = "limits",
                                                  [CONF_SNAPSHOT] = "snapshot",
                                                  [CONF_STATUS] = "status"};
    size_t used = 0;
    buffer[0] = '\0';
    for (int part = 0; part < CONF_PARTS; part++) {
        if (part_differs((enum conf_part)part, before, next) && used < size)
            used +=
                (size_t)snprintf(buffer + used, size - used, "%s%s", used ? ", " : "", names[part]);
    }
    if (used == 0)
        snprintf(buffer, size, "nothing has changed");
    return buffer;
}
