#include "server/proof.h"

#include "lookup/dberror.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>

/* The last line is held back: it may only say that the connection broke. */
struct saying {
    void (*say)(const char *line, void *context);
    char last[1024];
};

static void flush(struct saying *saying)
{
    if (saying->last[0])
        saying->say(saying->last, NULL);
    saying->last[0] = '\0';
}

static void report(const char *line, void *context)
{
    struct saying *saying = context;
    flush(saying);
    snprintf(saying->last, sizeof saying->last, "%s", line);
}

/* A database that answers, and says no. */
static bool is_refusal(const struct connect_error *error)
{
    return error->refused || error->number == ER_DBACCESS_DENIED_ERROR ||
           error->number == ER_ACCESS_DENIED_ERROR || error->number == ER_BAD_DB_ERROR ||
           error->number == ER_ACCESS_DENIED_NO_PASSWORD_ERROR ||
           error->number == ER_TABLEACCESS_DENIED_ERROR || error->number == ER_NO_SUCH_TABLE;
}

enum proof proof_queries(struct maps *maps, const struct credentials *credentials,
                         void (*say)(const char *line, void *context), struct connect_error *error)
{
    struct saying saying = {.say = say};
    struct settings_errors errors = {.report = report, .context = &saying};
    bool reached = connect_check_maps(maps, credentials, &errors, error);
    size_t wrong = errors.count;
    if (!reached && wrong > 0) {
        saying.last[0] = '\0';
        wrong--;
    }
    flush(&saying);
    if (wrong > 0)
        return PROOF_WRONG;
    if (reached)
        return PROOF_GOOD;
    if (!is_refusal(error))
        return PROOF_NOTHING;
    char line[sizeof error->text + 64];
    snprintf(line, sizeof line, "%s: database %s", maps->conf->file, error->text);
    say(line, NULL);
    return PROOF_WRONG;
}
