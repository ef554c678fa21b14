/*
 * Option files with the account's password: whatever the text, it is read or something is reported,
 * in lines that a log can hold. The same text gives the same, and no text is empty.
 */
#include "check.h"
#include "common/settings.h"
#include "lookup/credentials.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_line(const char *line, void *context)
{
    CHECK(strncmp(line, "/proc/self/fd/", 14) == 0);
    for (; *line != '\0'; line++)
        CHECK((unsigned char)*line >= 0x20 && *line != 0x7f);
}

/* The path of a file of these octets, which only its owner may read: always the same file. */
static const char *file_of(const uint8_t *data, size_t size)
{
    static char path[32];
    static int fd = -1;
    if (fd < 0) {
        fd = memfd_create("options", MFD_CLOEXEC);
        CHECK(fd >= 0 && fchmod(fd, 0600) == 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    CHECK(size == 0 || pwrite(fd, data, size, 0) == (ssize_t)size);
    CHECK(ftruncate(fd, (off_t)size) == 0);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings_errors errors = {.report = check_line};
    const char *path = file_of(data, size);
    struct credentials *first = credentials_read(path, &errors);
    CHECK((first == NULL) == (errors.count > 0));
    if (first == NULL)
        return 0;
    CHECK(memchr(data, '\0', size) == NULL);
    char **text;
    bool tls = first->ssl_verify_server_cert;
    for (size_t i = 0; (text = credentials_text(first, i)) != NULL; i++) {
        CHECK(*text == NULL || (*text)[0] != '\0');
        tls = tls || (*text != NULL && text != &first->user && text != &first->password);
    }
    CHECK(first->ssl || !tls);
    struct credentials *second = credentials_read(path, &errors);
    CHECK(second != NULL && errors.count == 0 && credentials_equal(first, second));
    credentials_free(second);
    credentials_hold(first);
    credentials_free(first);
    credentials_free(first);
    return 0;
}
