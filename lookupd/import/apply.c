#include "import/apply_session.h"
#include "lookup/connect.h"

#include <errmsg.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names that are asked for together: of the rows that verdicts mention and no claim does. */
#define READ_NAMES 1000

bool apply_fail(const struct apply *apply, const struct sqlrun_error *fault,
                struct apply_error *error)
{
    error->number = fault->number;
    snprintf(error->text, sizeof error->text, "%s: %s", apply->host, fault->text);
    return false;
}

static bool refuse(const struct apply *apply, struct apply_error *error, const char *text)
{
    error->number = 0;
    snprintf(error->text, sizeof error->text, "%s: %s", apply->host, text);
    return false;
}

/* A row of at most two texts, kept. */
struct kept {
    bool found;
    char texts[2][400];
};

static bool keep_row(const char *const *values, const unsigned long *lengths, void *context)
{
    struct kept *kept = context;
    kept->found = true;
    for (size_t i = 0; i < 2; i++)
        snprintf(kept->texts[i], sizeof kept->texts[i], "%s", values[i] ? values[i] : "");
    return true;
}

/* Nothing of the session depends on what the server has as its global settings: connect.c has set
 * what lookups need; this is what writing needs. */
static bool set_session(struct apply *apply, struct sqlrun_error *fault)
{
    char variables[400];
    double timeout = apply->conf->database.timeout;
    int wait = timeout >= 20 ? 10 : (int)(timeout / 2);
    snprintf(variables, sizeof variables,
             "SET SESSION max_statement_time = %.3f, innodb_lock_wait_timeout = %d, "
             "lock_wait_timeout = %d, time_zone = '+00:00', foreign_key_checks = 1, "
             "unique_checks = 1, check_constraint_checks = 1",
             timeout, wait > 0 ? wait : 1, wait > 0 ? wait : 1);
    const char *const source[] = {apply->conf->source};
    return sqlrun_query(apply->mysql, variables, NULL, 0, NULL, NULL, fault) &&
           sqlrun_query(apply->mysql,
                        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE", NULL,
                        0, NULL, NULL, fault) &&
           sqlrun_query(apply->mysql, "SET @lookupd_source = ?", source, 1, NULL, NULL, fault);
}

static bool check_schema(struct apply *apply, struct apply_error *error)
{
    struct sqlrun_error fault;
    struct kept kept = {.found = false};
    if (!sqlrun_query(apply->mysql, "SELECT MAX(version), 0 FROM schema_version", NULL, 0, keep_row,
                      &kept, &fault))
        return apply_fail(apply, &fault, error);
    if (strtol(kept.texts[0], NULL, 10) == CONNECT_SCHEMA_VERSION)
        return true;
    char text[200];
    snprintf(text, sizeof text,
             "the tables have schema version %.20s, this lookupd-import knows version %d: see "
             "sql/upgrade",
             kept.texts[0][0] ? kept.texts[0] : "none", CONNECT_SCHEMA_VERSION);
    return refuse(apply, error, text);
}

#define SELECT_SOURCE                                                                              \
    "SELECT account, LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), "      \
    "'@', -1)) - 1) FROM source WHERE name = ?"

bool apply_check_source(struct apply *apply, bool lock, struct sqlrun_error *fault)
{
    struct kept kept = {.found = false};
    const char *const source[] = {apply->conf->source};
    if (!sqlrun_query(apply->mysql, lock ? SELECT_SOURCE " LOCK IN SHARE MODE" : SELECT_SOURCE,
                      source, 1, keep_row, &kept, fault))
        return false;
    if (kept.found && strcmp(kept.texts[0], kept.texts[1]) == 0)
        return true;
    fault->number = 0;
    if (!kept.found)
        snprintf(fault->text, sizeof fault->text,
                 "there is no source \"%.64s\": INSERT INTO source (name, account) VALUES "
                 "('%.64s', the importer's user name)",
                 apply->conf->source, apply->conf->source);
    else
        snprintf(fault->text, sizeof fault->text,
                 "the source \"%.64s\" is the account %.128s's, and this is %.128s: see the table "
                 "source",
                 apply->conf->source, kept.texts[0], kept.texts[1]);
    return false;
}

bool apply_reconnect(struct apply *apply, struct apply_error *error)
{
    struct connect_error fault;
    /* What connect.h knows of is a lookupd.conf. No map: the schema is checked here. */
    struct conf conf = {.database = apply->conf->database,
                        .deadline = apply->conf->database.timeout};
    struct passwd account, *found = NULL;
    char buffer[4096];
    if (conf.database.user == NULL && apply->credentials->user == NULL) {
        if (getpwuid_r(geteuid(), &account, buffer, sizeof buffer, &found) != 0 || found == NULL) {
            snprintf(apply->host, sizeof apply->host, "%s", apply->conf->database.hosts[0]);
            return refuse(apply, error, "the setting database.user is missing");
        }
        conf.database.user = found->pw_name;
    }
    if (apply->mysql)
        mysql_close(apply->mysql);
    apply->mysql = connect_open(&conf, apply->credentials, &fault);
    if (apply->mysql == NULL) {
        error->number = fault.number ? fault.number : CR_UNKNOWN_ERROR;
        snprintf(error->text, sizeof error->text, "%s", fault.text);
        return false;
    }
    connect_host(apply->mysql, apply->host, sizeof apply->host);
    struct sqlrun_error session;
    if (!set_session(apply, &session))
        return apply_fail(apply, &session, error);
    return true;
}

struct apply *apply_open(const struct importconf *conf, const struct credentials *credentials,
                         struct apply_error *error)
{
    struct apply *apply = calloc(1, sizeof *apply);
    if (apply == NULL) {
        *error = (struct apply_error){.number = CR_OUT_OF_MEMORY, .text = "no memory"};
        return NULL;
    }
    apply->conf = conf;
    apply->credentials = credentials;
    struct sqlrun_error fault;
    if (apply_reconnect(apply, error) && check_schema(apply, error) &&
        (apply_check_source(apply, false, &fault) || apply_fail(apply, &fault, error)))
        return apply;
    apply_close(apply);
    return NULL;
}

void apply_close(struct apply *apply)
{
    if (apply == NULL)
        return;
    if (apply->mysql)
        mysql_close(apply->mysql);
    free(apply);
}

/* ---- reading ---- */

struct reading {
    struct plan_state *state;
    size_t room;
};

static const char *copy(struct reading *reading, const char *const *values,
                        const unsigned long *lengths, size_t i, bool *good)
{
    const char *text = plan_state_text(reading->state, values[i], lengths[i]);
    *good = *good && (values[i] == NULL || text != NULL);
    return text;
}

static bool is_one(const char *value)
{
    return value && value[0] == '1';
}

static bool read_claim(const char *const *values, const unsigned long *lengths, void *context)
{
    struct reading *reading = context;
    struct plan_state *state = reading->state;
    if (state->count == reading->room) {
        size_t room = reading->room ? 2 * reading->room : 1024;
        struct plan_claim *list = reallocarray(state->list, room, sizeof *list);
        if (list == NULL)
            return false;
        state->list = list;
        reading->room = room;
    }
    bool good = true;
    state->list[state->count] = (struct plan_claim){
        .name = copy(reading, values, lengths, 0, &good),
        .claimed = is_one(values[1]),
        .kept = is_one(values[2]),
        .kept_since = is_one(values[2]) && is_one(values[2] + 1),
        .route = copy(reading, values, lengths, 3, &good),
        .gone_since = values[4] ? (time_t)strtoll(values[4], NULL, 10) : 0,
        .row = is_one(values[5]),
        .row_source = copy(reading, values, lengths, 6, &good),
        .row_route = copy(reading, values, lengths, 7, &good),
        .row_relay = copy(reading, values, lengths, 8, &good),
        .row_enabled = values[9] && values[9][0] == '1',
        .row_any = values[9] && strcmp(values[9] + 1, "1") == 0,
        .relay = copy(reading, values, lengths, 10, &good),
    };
    state->count += good;
    return good;
}

/* A list of names that grows. */
struct names {
    struct plan_state *state;
    const char ***list;
    size_t *count, room;
};

static bool read_name(const char *const *values, const unsigned long *lengths, void *context)
{
    struct names *names = context;
    if (*names->count == names->room) {
        size_t room = names->room ? 2 * names->room : 64;
        const char **list = reallocarray(*names->list, room, sizeof *list);
        if (list == NULL)
            return false;
        *names->list = list;
        names->room = room;
    }
    const char *name = plan_state_text(names->state, values[0], lengths[0]);
    if (name)
        (*names->list)[(*names->count)++] = name;
    return name != NULL;
}

static bool read_clock(const char *const *values, const unsigned long *lengths, void *context)
{
    struct plan_state *state = context;
    state->now = values[0] ? (time_t)strtoll(values[0], NULL, 10) : 0;
    state->last_run = values[1] ? (time_t)strtoll(values[1], NULL, 10) : 0;
    return true;
}

static int compare_claims(const void *a, const void *b)
{
    const struct plan_claim *one = a, *other = b;
    return strcmp(one->name, other->name);
}

static struct plan_claim *find_claim(const struct plan_state *state, size_t count, const char *name)
{
    const struct plan_claim key = {.name = name};
    if (count == 0)
        return NULL;
    return bsearch(&key, state->list, count, sizeof *state->list, compare_claims);
}

static bool read_heir(const char *const *values, const unsigned long *lengths, void *context)
{
    struct reading *reading = context;
    struct plan_claim *claim = find_claim(reading->state, reading->state->count, values[0]);
    bool good = true;
    if (claim)
        claim->heir = copy(reading, values, lengths, 1, &good);
    return good;
}

/* The rows of names that verdicts mention and that are not in the first known ones of the state. */
static bool read_rows(struct apply *apply, const struct plan_verdicts *verdicts, size_t known,
                      struct reading *reading, struct sqlrun_error *fault)
{
    const char *names[READ_NAMES];
    size_t count = 0;
    char *sql =
        sqlrun_list("SELECT d.name, 0, 0, NULL, NULL, 1, d.source, d.route, d.relay, "
                    "CONCAT(d.enabled, d.recipients = 'any'), NULL FROM domain d WHERE d.name IN ",
                    READ_NAMES, "");
    bool good = sql != NULL;
    if (!good)
        *fault = (struct sqlrun_error){.number = CR_OUT_OF_MEMORY, .text = "no memory"};
    for (size_t v = 0; good && v <= verdicts->count; v++) {
        bool last = v == verdicts->count;
        if (!last && find_claim(reading->state, known, verdicts->list[v].name) == NULL)
            names[count++] = verdicts->list[v].name;
        if (count == 0 || (count < READ_NAMES && !last))
            continue;
        for (size_t i = count; i < READ_NAMES; i++)
            names[i] = names[count - 1];
        count = 0;
        good = sqlrun_query(apply->mysql, sql, names, READ_NAMES, read_claim, reading, fault);
    }
    free(sql);
    return good;
}

static bool read_all(struct apply *apply, const struct plan_verdicts *verdicts,
                     struct plan_state *state, struct sqlrun_error *fault)
{
    MYSQL *mysql = apply->mysql;
    struct reading reading = {.state = state};
    struct names fenced = {.state = state, .list = &state->fenced, .count = &state->fenced_count};
    struct names relays = {.state = state, .list = &state->relays, .count = &state->relay_count};
    const char *const source[] = {apply->conf->source, apply->conf->source};
    /* names with @ are addresses: what people had set on recipients is kept there too; gone_since
     * has whole seconds */
    if (!sqlrun_query(mysql,
                      "SELECT UNIX_TIMESTAMP(), (SELECT UNIX_TIMESTAMP(MAX(started)) FROM "
                      "import_run WHERE source = ? AND outcome IN ('done', 'partial'))",
                      source, 1, read_clock, state, fault) ||
        !sqlrun_query(
            mysql,
            "SELECT c.name, 1, CONCAT(c.kept_at IS NOT NULL, "
            "COALESCE(c.kept_at >= c.gone_since + INTERVAL 1 SECOND, 0)), c.route, "
            "UNIX_TIMESTAMP(c.gone_since), d.name IS NOT NULL, d.source, d.route, "
            "d.relay, CONCAT(d.enabled, d.recipients = 'any'), c.relay FROM import_claim c "
            "LEFT JOIN domain d ON d.name = c.name "
            "WHERE c.source = ? AND c.name NOT LIKE '%@%'",
            source, 1, read_claim, &reading, fault) ||
        !sqlrun_query(mysql,
                      "SELECT d.name, 0, 0, NULL, NULL, 1, d.source, d.route, d.relay, "
                      "CONCAT(d.enabled, d.recipients = 'any'), NULL FROM domain d "
                      "LEFT JOIN import_claim c ON c.source = ? AND c.name = d.name "
                      "WHERE d.source = ? AND c.name IS NULL",
                      source, 2, read_claim, &reading, fault))
        return false;
    if (state->count)
        qsort(state->list, state->count, sizeof *state->list, compare_claims);
    if (!read_rows(apply, verdicts, state->count, &reading, fault))
        return false;
    if (state->count)
        qsort(state->list, state->count, sizeof *state->list, compare_claims);
    return sqlrun_query(mysql,
                        "SELECT o.name, MIN(o.source) FROM import_claim o "
                        "JOIN domain d ON d.name = o.name AND d.source = ? "
                        "WHERE o.source <> ? AND o.gone_since IS NULL GROUP BY o.name",
                        source, 2, read_heir, &reading, fault) &&
           sqlrun_query(mysql,
                        "SELECT name FROM domain WHERE name LIKE '.%' AND enabled = 0 "
                        "ORDER BY name",
                        NULL, 0, read_name, &fenced, fault) &&
           (apply->conf->hint_relays == NULL ||
            sqlrun_query(mysql, "SELECT name FROM relay ORDER BY name", NULL, 0, read_name, &relays,
                         fault));
}

bool apply_read(struct apply *apply, const struct plan_verdicts *verdicts, struct plan_state *state,
                struct apply_error *error)
{
    struct sqlrun_error fault;
    *state = (struct plan_state){.list = NULL};
    bool good = sqlrun_query(apply->mysql, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", NULL,
                             0, NULL, NULL, &fault) &&
                sqlrun_query(apply->mysql, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
                             NULL, 0, NULL, NULL, &fault) &&
                read_all(apply, verdicts, state, &fault) &&
                sqlrun_query(apply->mysql, "COMMIT", NULL, 0, NULL, NULL, &fault);
    return good || apply_fail(apply, &fault, error);
}
