#include "server/handover.h"

#include "common/log.h"
#include "common/memfile.h"
#include "common/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The length of a text that is not there. */
#define NO_TEXT UINT32_MAX
#define SEALS   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* ---- making ---- */

/* Not by way of stdio, whose buffers would keep passwords. */
static bool put_text(int fd, const char *text)
{
    uint32_t len = text ? (uint32_t)strlen(text) : NO_TEXT;
    return whole_write(fd, &len, sizeof len) && (text == NULL || whole_write(fd, text, len));
}

static bool put_conf(int fd, const struct conf *conf)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return false;
    conf_print(conf, out);
    bool good = fclose(out) == 0 && put_text(fd, conf->file) && put_text(fd, text);
    free(text);
    for (size_t i = 0; good && i < conf->listener_count; i++)
        good = put_text(fd, conf->listeners[i].where);
    for (size_t i = 0; good && i < conf->map_count; i++)
        good = put_text(fd, conf->maps[i].where);
    return good;
}

static bool put_credentials(int fd, struct credentials *credentials)
{
    char **text;
    for (size_t i = 0; (text = credentials_text(credentials, i)) != NULL; i++)
        if (!put_text(fd, *text))
            return false;
    return whole_write(fd, &credentials->ssl, sizeof credentials->ssl) &&
           whole_write(fd, &credentials->ssl_verify_server_cert,
                       sizeof credentials->ssl_verify_server_cert);
}

int handover_make(const struct maps *maps, struct credentials *credentials)
{
    int fd = memfile_new("lookupd-configuration");
    if (fd < 0)
        return -1;
    if (put_conf(fd, maps->conf) && put_credentials(fd, credentials) &&
        fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* ---- taking ---- */

struct reading {
    const char *p;
    size_t left;
};

static bool get(struct reading *reading, void *data, size_t len)
{
    if (reading->left < len)
        return false;
    memcpy(data, reading->p, len);
    reading->p += len;
    reading->left -= len;
    return true;
}

/* A text for free(), or NULL where there was none. False when there is nothing more, or no memory.
 */
static bool get_text(struct reading *reading, char **text)
{
    uint32_t len;
    *text = NULL;
    if (!get(reading, &len, sizeof len))
        return false;
    if (len == NO_TEXT)
        return true;
    if (reading->left < len)
        return false;
    *text = malloc((size_t)len + 1);
    if (*text == NULL)
        return false;
    memcpy(*text, reading->p, len);
    (*text)[len] = '\0';
    reading->p += len;
    reading->left -= len;
    return true;
}

/* In place of the lines of the printed text, which nobody has ever seen. */
static bool get_where(struct reading *reading, char **where)
{
    char *text;
    if (!get_text(reading, &text) || text == NULL)
        return false;
    free(*where);
    *where = text;
    return true;
}

static void report(const char *line, void *context)
{
    log_error("%s", line);
}

static struct settings_errors errors = {.report = report};

static struct conf *get_conf(struct reading *reading)
{
    char *file = NULL;
    char *text = NULL;
    struct conf *conf = NULL;
    if (get_text(reading, &file) && get_text(reading, &text) && file && text)
        conf = conf_parse(text, file, &errors);
    free(file);
    free(text);
    bool good = conf != NULL;
    for (size_t i = 0; good && i < conf->listener_count; i++)
        good = get_where(reading, &conf->listeners[i].where);
    for (size_t i = 0; good && i < conf->map_count; i++)
        good = get_where(reading, &conf->maps[i].where);
    if (good)
        return conf;
    conf_free(conf);
    return NULL;
}

static struct credentials *get_credentials(struct reading *reading)
{
    struct credentials *credentials = credentials_read(NULL, &errors);
    char **text;
    bool good = credentials != NULL;
    for (size_t i = 0; good && (text = credentials_text(credentials, i)) != NULL; i++)
        good = get_text(reading, text);
    if (good && get(reading, &credentials->ssl, sizeof credentials->ssl) &&
        get(reading, &credentials->ssl_verify_server_cert,
            sizeof credentials->ssl_verify_server_cert))
        return credentials;
    credentials_free(credentials);
    return NULL;
}

bool handover_take(int descriptor, struct maps **maps, struct credentials **credentials)
{
    struct stat status;
    void *data = MAP_FAILED;
    /* What could still be cut off would be a SIGBUS. */
    int seals = fcntl(descriptor, F_GET_SEALS);
    if (seals >= 0 && (seals & SEALS) == SEALS && fstat(descriptor, &status) == 0)
        data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data == MAP_FAILED) {
        log_error("a new configuration cannot be read: %s", strerror(errno));
        return false;
    }
    struct reading reading = {.p = data, .left = (size_t)status.st_size};
    *maps = NULL;
    *credentials = NULL;
    struct conf *conf = get_conf(&reading);
    if (conf)
        *credentials = get_credentials(&reading);
    if (conf && *credentials)
        *maps = maps_new(conf, &errors);
    else
        conf_free(conf);
    munmap(data, (size_t)status.st_size);
    if (*maps)
        return true;
    log_error("a new configuration cannot be taken: no memory");
    credentials_free(*credentials);
    return false;
}
