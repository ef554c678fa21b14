#include "server/proof.h"

#include "lookup/snapshot_file.h"
#include "server/keeper_copy.h"

#include <stdio.h>

/* The last line is held back: it may only say that the connection broke. */
struct saying {
    void (*say)(const char *line, void *context);
    void *context;
    char last[1024];
};

static void flush(struct saying *saying)
{
    if (saying->last[0])
        saying->say(saying->last, saying->context);
    saying->last[0] = '\0';
}

static void report(const char *line, void *context)
{
    struct saying *saying = context;
    flush(saying);
    snprintf(saying->last, sizeof saying->last, "%s", line);
}

/* What a snapshot needs beside the queries: its folder, and every map's `all`. */
static bool check_snapshot(struct maps *maps, const struct credentials *credentials, bool reached,
                           struct settings_errors *errors, struct connect_error *error)
{
    const struct conf_snapshot *conf = &maps->conf->snapshot;
    struct snapshot_error fault;
    if (conf->directory == NULL || conf->interval == 0)
        return reached;
    if (!snapshot_check_folder(conf->directory, &fault)) {
        char line[sizeof fault.text + 200];
        snprintf(line, sizeof line, "%.150s: snapshot.directory: %s", maps->conf->file, fault.text);
        errors->count++;
        errors->report(line, errors->context);
    }
    return reached && keeper_copy_check(maps, credentials, errors, error);
}

enum proof proof_queries(struct maps *maps, const struct credentials *credentials,
                         void (*say)(const char *line, void *context), struct connect_error *error)
{
    struct saying saying = {.say = say};
    struct settings_errors errors = {.report = report, .context = &saying};
    bool reached = connect_check_maps(maps, credentials, &errors, error);
    size_t before = errors.count;
    size_t wrong = before;
    if (!reached && wrong > 0) {
        saying.last[0] = '\0';
        wrong--;
    }
    reached = check_snapshot(maps, credentials, reached, &errors, error);
    wrong += errors.count - before;
    flush(&saying);
    if (wrong > 0)
        return PROOF_WRONG;
    if (reached)
        return PROOF_GOOD;
    if (!connect_is_refusal(error))
        return PROOF_NOTHING;
    char line[sizeof error->text + 64];
    snprintf(line, sizeof line, "%s: database %s", maps->conf->file, error->text);
    say(line, NULL);
    return PROOF_WRONG;
}
