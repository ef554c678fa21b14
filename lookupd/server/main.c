/* lookupd: answers Postfix's socketmap and tcp_table lookups from MariaDB. */
#include "common/log.h"
#include "lookup/credentials.h"
#include "lookup/map.h"
#include "server/inherited.h"
#include "server/listener.h"
#include "server/parent.h"
#include "server/preflight.h"
#include "server/privileges.h"
#include "server/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

struct options {
    const char *file;
    bool test;
    bool print;
    bool foreground;
    bool verbose;
};

static const char usage[] =
    "usage: lookupd [-c FILE] [-f] [-v]   answer lookups\n"
    "       lookupd [-c FILE] -t          test the configuration and the queries\n"
    "       lookupd [-c FILE] -T          print the effective configuration\n"
    "       lookupd -V                    print the version\n";

static void report_to_stderr(const char *line, void *context)
{
    fprintf(stderr, "%s\n", line);
}

static struct settings_errors to_stderr = {.report = report_to_stderr};

/* Everything that can be read before a socket is opened; false after saying what is wrong. */
static bool read_all(const struct options *options, struct maps **maps,
                     struct credentials **credentials)
{
    struct conf *conf = conf_read(options->file, &to_stderr);
    if (conf == NULL)
        return false;
    *credentials = credentials_read_for(conf->user, conf->database.option_file, &to_stderr);
    *maps = maps_new(conf, &to_stderr);
    return *credentials != NULL && *maps != NULL;
}

static int print_configuration(const struct options *options)
{
    struct conf *conf = conf_read(options->file, &to_stderr);
    if (conf == NULL)
        return EX_CONFIG;
    conf_print(conf, stdout);
    conf_free(conf);
    if (fflush(stdout) != 0) {
        fprintf(stderr, "lookupd: cannot write: %s\n", strerror(errno));
        return EX_IOERR;
    }
    return EX_OK;
}

/* Everything that is wrong in one run: what can be looked at is, whatever the rest is like. */
static int test_configuration(const struct options *options, struct maps **maps,
                              struct credentials **credentials)
{
    struct connect_error error;
    log_open("lookupd", true, LOG_LEVEL_INFO);
    struct conf *conf = conf_read_faulty(options->file, &to_stderr);
    if (conf == NULL)
        return EX_CONFIG;
    *credentials = credentials_read_for(conf->user, conf->database.option_file, &to_stderr);
    bool known = preflight_check(conf, &to_stderr);
    *maps = maps_new(conf, &to_stderr);
    if (!known || *credentials == NULL || *maps == NULL)
        return EX_CONFIG;
    /* As the server will: with unix_socket authentication the database looks at who asks. */
    if (!privileges_drop(conf->user, conf->group))
        return EX_CONFIG;
    enum proof proof = proof_queries(*maps, *credentials, report_to_stderr, &error);
    bool several = conf->database.hosts[1] != NULL;
    if (proof == PROOF_GOOD || (several && proof == PROOF_NOTHING))
        connect_check_hosts(conf, *credentials, report_to_stderr);
    if (proof == PROOF_NOTHING && several)
        fprintf(stderr, "warning: the queries were not tried\n");
    else if (proof == PROOF_NOTHING)
        fprintf(stderr, "warning: database %s: the queries were not tried\n", error.text);
    if (proof == PROOF_WRONG || to_stderr.count > 0)
        return EX_CONFIG;
    fprintf(stderr, "configuration OK\n");
    return EX_OK;
}

/*
 * Goes into the background. The process that was started waits until the daemon is ready, or ends
 * with its exit code. Returns the descriptor that says so in the daemon, -1 on a fault.
 */
static int go_to_background(void)
{
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid > 0) {
        unsigned char code = EX_OSERR; /* when the daemon dies without a word */
        close(ready[1]);
        ssize_t got = read(ready[0], &code, 1);
        _exit(got == 1 ? code : EX_OSERR);
    }
    close(ready[0]);
    setsid();
    /* Not a session's leader: only such a one gets a terminal that it opens as its own. */
    pid = fork();
    if (pid != 0)
        _exit(pid > 0 ? EX_OK : EX_OSERR);
    return ready[1];
}

static void report_ready(void *context)
{
    int *ready = context;
    if (*ready < 0)
        return;
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        if (null > STDERR_FILENO)
            close(null);
    }
    unsigned char code = EX_OK;
    (void)!write(*ready, &code, 1);
    close(*ready);
    *ready = -1;
}

static void report_failure(int ready, int code)
{
    unsigned char octet = (unsigned char)code;
    if (ready >= 0)
        (void)!write(ready, &octet, 1);
}

static int serve(const struct options *options, struct parent_start *start)
{
    const struct conf *conf = start->set.maps->conf;
    enum log_level level = options->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
    int ready = -1;
    inherited_close();
    log_open("lookupd", true, level);
    if (conf->status_address)
        log_warning("%s: status: has no effect in this version", conf->file);
    if (!options->foreground && (ready = go_to_background()) < 0) {
        log_fatal("cannot go into the background: %s", strerror(errno));
        return EX_OSERR;
    }
    if (chdir("/") != 0) {
        log_fatal("cannot enter /: %s", strerror(errno));
        return EX_OSERR;
    }
    privileges_raise_descriptors((unsigned long)conf->limits.clients + PARENT_OWN_DESCRIPTORS);
    int code = EX_UNAVAILABLE;
    if (!privileges_check(conf->user, conf->group))
        code = EX_NOUSER;
    else
        start->set.listeners = listeners_open(conf, NULL);
    if (start->set.listeners && !privileges_drop(conf->user, conf->group))
        code = EX_NOUSER;
    else if (start->set.listeners) {
        if (!options->foreground)
            log_open("lookupd", false, level);
        start->ready = report_ready;
        start->context = &ready;
        code = parent_run(start);
    }
    if (start->set.listeners)
        listeners_close(start->set.listeners, true);
    report_failure(ready, code);
    log_close();
    return code;
}

static int parse_options(int argc, char **argv, struct options *options)
{
    int option;
    while ((option = getopt(argc, argv, "c:tTfvVh")) != -1) {
        switch (option) {
        case 'c':
            options->file = optarg;
            break;
        case 't':
            options->test = true;
            break;
        case 'T':
            options->print = true;
            break;
        case 'f':
            options->foreground = true;
            break;
        case 'v':
            options->verbose = true;
            break;
        case 'V':
            printf("lookupd %s\n", LOOKUPD_VERSION);
            return EX_OK;
        case 'h':
            fputs(usage, stdout);
            return EX_OK;
        default:
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return EX_USAGE;
    }
    return -1; /* go on */
}

/* The path of a file for a process that will have another working folder. */
static const char *make_absolute(const char *file)
{
    static char *path;
    char *folder = file[0] == '/' ? NULL : getcwd(NULL, 0);
    if (folder && asprintf(&path, "%s/%s", folder, file) > 0)
        file = path;
    free(folder);
    return file;
}

int main(int argc, char **argv, char **envp)
{
    setproctitle_init(argc, argv, envp);
    inherited_settle();
    struct options options = {.file = CONF_DEFAULT_FILE};
    int code = parse_options(argc, argv, &options);
    if (code >= 0)
        return code;
    if (options.print)
        return print_configuration(&options);

    struct parent_start start = {.file = NULL};
    struct reload_set *set = &start.set;
    if (!options.test)
        options.file = make_absolute(options.file);
    mysql_server_init(0, NULL, NULL);
    start.file = options.file;
    if (options.test)
        code = test_configuration(&options, &set->maps, &set->credentials);
    else if (!read_all(&options, &set->maps, &set->credentials))
        code = EX_CONFIG;
    else
        code = serve(&options, &start);
    maps_release(set->maps);
    credentials_free(set->credentials);
    mysql_server_end();
    return code;
}
