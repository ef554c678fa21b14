/* What the fuzzers of configurations share: the file's name, its messages, and its reader's leak.
 */
#ifndef LOOKUPD_FUZZ_SETTINGS_CHECK_H
#define LOOKUPD_FUZZ_SETTINGS_CHECK_H

#include "check.h"

#define SETTINGS_FILE "f.conf"

/* libconfig 1.5 loses the text that it was reading at a syntax error. Ours is looked at. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl*,misc-definitions-in-headers): the name is the
 * sanitizer's, and each fuzzer a program of its own. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig.so";
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl*,misc-definitions-in-headers) */

/* A settings_errors' report: names the file, and is one printable line. */
static inline void check_line(const char *line, void *context)
{
    CHECK(strncmp(line, SETTINGS_FILE ":", strlen(SETTINGS_FILE ":")) == 0);
    for (; *line != '\0'; line++)
        CHECK((unsigned char)*line >= 0x20 && *line != 0x7f);
}

/* A text for free() of what a fuzzer is given. */
static inline char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
