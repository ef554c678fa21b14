/* lookupd-import: fills the tables from the secondary zones of a named on this machine. */
#include "common/clock.h"
#include "common/log.h"
#include "common/mailname.h"
#include "import/apply.h"
#include "import/gather.h"
#include "import/report.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* Beside those of sysexits.h: lookupd-import(8). */
#define EXIT_PARTIAL 1
#define EXIT_REFUSED 2

/* Zones that could not be read and are named without -v: cron's mail is to be read. */
#define UNREAD_SHOWN 5

struct options {
    const char *file;
    const char *explain;
    bool dry_run, json, force, verbose, test, print;
};

struct session {
    const struct options *options;
    struct importconf *conf;
    struct credentials *credentials;
    struct apply *apply;
    struct apply_run run;
    struct gathered gathered;
    struct plan_state state;
    struct plan *plan;
    uint64_t begun;
    size_t unread_shown;
    bool bar; /* one is on the terminal */
};

static const char usage[] =
    "usage: lookupd-import [-c FILE] [-n] [--json] [--force] [-v]   import\n"
    "       lookupd-import [-c FILE] --explain NAME                 why NAME is relayed, or not\n"
    "       lookupd-import [-c FILE] -t                             test the configuration\n"
    "       lookupd-import [-c FILE] -T                             print the effective one\n"
    "       lookupd-import -V                                       print the version\n"
    "-n, --dry-run: print what would change, as a diff; --json: all of it as JSON;\n"
    "--force: accept a run that the safety valve refuses; -v: say more\n";

static void report_to_stderr(const char *line, void *context)
{
    fprintf(stderr, "%s\n", line);
}

static struct settings_errors to_stderr = {.report = report_to_stderr};

/* What went wrong, to whoever started the program and to the log. */
static void say_error(const char *text)
{
    fprintf(stderr, "lookupd-import: %s\n", text);
    log_error("%s", text);
}

/* ---- what gather() tells ---- */

static void clear_bar(struct session *session)
{
    if (session->bar)
        fputs("\r\033[K", stderr);
    session->bar = false;
}

static void tell_unread(const char *text, void *context)
{
    struct session *session = context;
    if (!session->options->verbose && session->unread_shown >= UNREAD_SHOWN)
        return;
    session->unread_shown++;
    clear_bar(session);
    fprintf(stderr, "lookupd-import: %s\n", text);
}

static void tell_detail(const char *text, void *context)
{
    struct session *session = context;
    if (!session->options->verbose)
        return;
    clear_bar(session);
    fprintf(stderr, "%s\n", text);
}

static void tell_progress(size_t done, size_t total, void *context)
{
    struct session *session = context;
    session->bar = done < total;
    report_progress(done, total, stderr);
}

static bool gather_all(struct session *session)
{
    struct gather_listener listener = {
        .unread = tell_unread, .detail = tell_detail, .context = session};
    if (isatty(STDERR_FILENO))
        listener.progress = tell_progress;
    bool good = gather(session->conf, &listener, &session->gathered);
    clear_bar(session);
    const struct gather_zones *zones = &session->gathered.zones;
    size_t unread = zones->unread + zones->journals + zones->catalogs;
    if (unread > session->unread_shown)
        fprintf(stderr, "lookupd-import: and %zu more zones that could not be read (-v)\n",
                unread - session->unread_shown);
    session->run.zones = zones->listed;
    session->run.unread = unread;
    return good;
}

/* ---- the lock ---- */

/* Holds the lock as long as the process lives. False after saying why not. */
static bool take_lock(const char *file)
{
    char text[600], folder[400];
    const char *slash = strrchr(file, '/');
    size_t len = slash && (size_t)(slash - file) < sizeof folder ? (size_t)(slash - file) : 0;
    memcpy(folder, file, len);
    folder[len] = '\0';
    /* to read only: the file may be of somebody else, who tried it by hand */
    int flags = O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    int fd = open(file, flags, 0644);
    if (fd < 0 && errno == ENOENT && folder[0] != '\0' && mkdir(folder, 0755) == 0)
        fd = open(file, flags, 0644); /* below /run nothing outlives a boot */
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (fd >= 0 && errno == EWOULDBLOCK)
        snprintf(text, sizeof text, "%s: another run holds the lock; nothing was changed", file);
    else
        snprintf(text, sizeof text, "%s: cannot take the lock: %s; nothing was changed", file,
                 strerror(errno));
    if (fd >= 0)
        close(fd);
    say_error(text);
    return false;
}

/* ---- a run ---- */

static struct verdict find_verdict(const void *context, const char *name)
{
    return mailrules_find(context, name);
}

static int fail_database(const struct apply_error *error)
{
    char text[sizeof error->text + 96];
    snprintf(text, sizeof text, "database %s; %s", error->text,
             error->unsure ? "whether the changes were made is not known: it was about to make them"
                           : "nothing was changed");
    say_error(text);
    return error->number == 0 ? EX_CONFIG : EX_TEMPFAIL;
}

/* Writes what ended the run into its row; what the row cannot be told is in the log. */
static void end_run(struct session *session, enum apply_outcome outcome, const char *message)
{
    struct apply_error error;
    if (session->options->dry_run)
        return;
    snprintf(session->run.message, sizeof session->run.message, "%s", message);
    if (!apply_end_run(session->apply, &session->run, outcome, &error))
        log_error("database %s: the end of the run could not be written", error.text);
}

static bool make_plan(struct session *session, struct apply_error *error)
{
    struct plan_verdicts verdicts = {.find = find_verdict, .context = session->gathered.rules};
    verdicts.list = mailrules_verdicts(session->gathered.rules, &verdicts.count);
    if (!apply_read(session->apply, &verdicts, &session->state, error))
        return false;
    session->plan = plan_make(session->conf, &verdicts, session->run.zones, &session->state);
    if (session->plan == NULL)
        *error = (struct apply_error){.number = 1, .text = "no memory"};
    return session->plan != NULL;
}

/* A row that passes to another source changes hands: the one thing that a good run tells cron. */
static void tell_passed(const struct plan *plan)
{
    for (size_t i = 0; i < plan->change_count; i++)
        if (plan->changes[i].action == PLAN_PASS)
            fprintf(stderr, "lookupd-import: %s passes to %s\n", plan->changes[i].name,
                    plan->changes[i].heir);
}

/* Mail of these is refused, or goes another way than their zones say, for want of a row. */
static void tell_relays(const struct plan *plan)
{
    size_t shown = 0, missing = plan->note_counts[PLAN_RELAY_MISSING];
    for (size_t i = 0; i < plan->note_count && shown < UNREAD_SHOWN; i++) {
        const struct plan_note *note = &plan->notes[i];
        if (note->kind != PLAN_RELAY_MISSING)
            continue;
        fprintf(stderr,
                "lookupd-import: %s asks for the relay %s, which the table relay does not have\n",
                note->name, note->our_relay);
        shown++;
    }
    if (missing > shown)
        fprintf(stderr, "lookupd-import: and %zu more ask for such a relay (--dry-run)\n",
                missing - shown);
}

static int report_all(struct session *session, const char *outcome)
{
    const struct options *options = session->options;
    const struct report report = {
        .conf = session->conf,
        .plan = session->plan,
        .gathered = &session->gathered,
        .run = options->dry_run || strcmp(outcome, "refused") == 0 ? NULL : &session->run,
        .outcome = outcome,
        .seconds = (double)(clock_now() - session->begun) / (double)CLOCK_SECOND};
    bool refused = strcmp(outcome, "refused") == 0;
    char text[600];
    if (options->json) {
        report_json(&report, stdout);
    } else {
        if (options->dry_run)
            report_diff(&report, stdout);
        if (options->dry_run || options->verbose || isatty(STDOUT_FILENO))
            report_summary(&report, stdout);
    }
    if (refused) {
        report_valve(&report, text, sizeof text);
        say_error(text);
    } else if (!options->dry_run) {
        tell_passed(session->plan);
        tell_relays(session->plan);
        log_info("run %llu of %s: %zu zones, %zu not read; %zu domains new, %zu changed, %zu "
                 "deleted, %zu passed on, %zu newly gone",
                 (unsigned long long)session->run.id, session->conf->source, session->run.zones,
                 session->run.unread, session->run.inserted, session->run.updated,
                 session->run.deleted, session->run.passed, session->plan->newly_gone);
    }
    if (fflush(stdout) != 0) {
        fprintf(stderr, "lookupd-import: cannot write: %s\n", strerror(errno));
        return EX_IOERR;
    }
    if (refused)
        return EXIT_REFUSED;
    return session->run.unread ? EXIT_PARTIAL : EX_OK;
}

static int run_import(struct session *session)
{
    const struct options *options = session->options;
    struct apply_error error = {.unsure = false};
    if (!options->dry_run && !take_lock(session->conf->lock_file))
        return EX_TEMPFAIL;
    session->apply = apply_open(session->conf, session->credentials, &error);
    if (session->apply == NULL ||
        (!options->dry_run && !apply_begin_run(session->apply, &session->run, &error)))
        return fail_database(&error);
    if (!gather_all(session)) {
        char text[sizeof session->gathered.error + 64];
        snprintf(text, sizeof text, "%s; nothing was changed", session->gathered.error);
        say_error(text);
        end_run(session, APPLY_FAILED, text);
        return EX_TEMPFAIL;
    }
    if (!make_plan(session, &error)) {
        end_run(session, APPLY_FAILED, error.text);
        return fail_database(&error);
    }
    if (session->plan->valve != PLAN_OPEN && !options->force) {
        const struct report report = {.conf = session->conf, .plan = session->plan};
        char text[600];
        report_valve(&report, text, sizeof text);
        end_run(session, APPLY_REFUSED, text);
        return report_all(session, "refused");
    }
    if (!options->dry_run &&
        !apply_plan(session->apply, &session->run, session->plan, &session->state, &error)) {
        end_run(session, APPLY_FAILED, error.text);
        return fail_database(&error);
    }
    return report_all(session, options->dry_run      ? "dry-run"
                               : session->run.unread ? "partial"
                                                     : "done");
}

/* ---- --explain ---- */

static int explain(struct session *session)
{
    const char *given = session->options->explain;
    bool below = given[0] == '.' && given[1] != '\0';
    char name[MAILNAME_DOMAIN_MAX + 2] = ".";
    if (!mailname_domain(given + below, strlen(given + below), name + below, NULL)) {
        fprintf(stderr, "lookupd-import: \"%s\" cannot be a domain\n", given);
        return EX_USAGE;
    }
    if (!gather_all(session)) {
        say_error(session->gathered.error);
        return EX_TEMPFAIL;
    }
    mailrules_explain(session->gathered.rules, name, stdout);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/* ---- the program ---- */

static int run(const struct options *options)
{
    struct session session = {.options = options, .begun = clock_now()};
    int code = EX_CONFIG;
    log_open("lookupd-import", false, LOG_LEVEL_INFO);
    session.conf = importconf_read(options->file, &to_stderr);
    if (session.conf)
        session.credentials = credentials_read(session.conf->database.option_file, &to_stderr);
    if (session.conf && session.credentials)
        code = options->explain ? explain(&session) : run_import(&session);
    else
        log_error("%s: the configuration is wrong: lookupd-import -t says where", options->file);
    plan_free(session.plan);
    plan_state_clear(&session.state);
    gather_clear(&session.gathered);
    apply_close(session.apply);
    credentials_free(session.credentials);
    importconf_free(session.conf);
    log_close();
    return code;
}

static int test_or_print(const struct options *options)
{
    struct importconf *conf = importconf_read(options->file, &to_stderr);
    if (conf == NULL)
        return EX_CONFIG;
    int code = EX_OK;
    if (options->print) {
        importconf_print(conf, stdout);
        code = fflush(stdout) == 0 ? EX_OK : EX_IOERR;
    } else {
        struct credentials *credentials = credentials_read(conf->database.option_file, &to_stderr);
        code = credentials ? EX_OK : EX_CONFIG;
        if (credentials)
            fprintf(stderr, "configuration OK\n");
        credentials_free(credentials);
    }
    importconf_free(conf);
    return code;
}

enum { OPTION_JSON = 256, OPTION_FORCE, OPTION_EXPLAIN };
static const struct option long_options[] = {
    {"dry-run", no_argument, NULL, 'n'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"force", no_argument, NULL, OPTION_FORCE},
    {"explain", required_argument, NULL, OPTION_EXPLAIN},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* An exit code, or -1 to go on. */
static int parse_options(int argc, char **argv, struct options *options)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:nvtTVh", long_options, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->file = optarg;
            break;
        case 'n':
            options->dry_run = true;
            break;
        case 'v':
            options->verbose = true;
            break;
        case 't':
            options->test = true;
            break;
        case 'T':
            options->print = true;
            break;
        case OPTION_JSON:
            options->json = true;
            break;
        case OPTION_FORCE:
            options->force = true;
            break;
        case OPTION_EXPLAIN:
            options->explain = optarg;
            break;
        case 'V':
            printf("lookupd-import %s\n", LOOKUPD_VERSION);
            return EX_OK;
        case 'h':
            fputs(usage, stdout);
            return EX_OK;
        default:
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fputs(usage, stderr);
    return EX_USAGE;
}

/* Whoever started the program with standard output or error closed would have what is said there
 * written to the lock's file or to the database, whichever gets the number. */
static void fill_standard_descriptors(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
        ;
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    fill_standard_descriptors();
    struct options options = {.file = IMPORTCONF_DEFAULT_FILE};
    int code = parse_options(argc, argv, &options);
    if (code >= 0)
        return code;
    signal(SIGPIPE, SIG_IGN); /* a database that is gone, or a pager that was quit */
    umask(022);
    if (options.test || options.print)
        return test_or_print(&options);
    mysql_server_init(0, NULL, NULL);
    code = run(&options);
    mysql_server_end();
    return code;
}
