/* Texts of faults. */
#include "import/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Of the file in a text; the rest is for the reason. Names end with what tells them apart. */
#define FILE_TEXT_MAX (FAULT_FILE_SIZE - 8)

bool fault_set(struct zone_fault *fault, enum zone_fault_kind kind, const char *format, ...)
{
    va_list arguments;
    fault->kind = kind;
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
    return false;
}

/* How many octets an octet of a file name takes in a message. */
static size_t print_octet(unsigned char c, char *out)
{
    if (c > 0x1f && c < 0x7f && c != '\\') {
        out[0] = (char)c;
        return 1;
    }
    return (size_t)snprintf(out, 5, "\\%03u", c);
}

const char *fault_file_text(const char *file, char out[FAULT_FILE_SIZE])
{
    char octet[8];
    size_t len = strlen(file), from = len, used = 0;
    for (size_t room = FILE_TEXT_MAX; from > 0; from--) {
        size_t n = print_octet((unsigned char)file[from - 1], octet);
        if (n > room)
            break;
        room -= n;
    }
    if (from > 0)
        used = (size_t)snprintf(out, FAULT_FILE_SIZE, "...");
    for (; from < len; from++)
        used += print_octet((unsigned char)file[from], out + used);
    out[used] = '\0';
    return out;
}

void fault_add_file(struct zone_fault *fault, const char *file)
{
    char name[FAULT_FILE_SIZE], reason[sizeof fault->text];
    snprintf(reason, sizeof reason, "%s", fault->text);
    snprintf(fault->text, sizeof fault->text, "%s: %.240s", fault_file_text(file, name), reason);
}

const char *zone_fault_word(enum zone_fault_kind kind)
{
    static const char *const words[ZONE_FAULT_KINDS] = {
        [ZONE_NO_FILE] = "no-file",  [ZONE_MISSING] = "missing",
        [ZONE_DENIED] = "denied",    [ZONE_NOT_REGULAR] = "not-regular",
        [ZONE_TOO_BIG] = "too-big",  [ZONE_EMPTY] = "empty",
        [ZONE_MAP] = "map-format",   [ZONE_VERSION] = "unknown-version",
        [ZONE_DAMAGED] = "damaged",  [ZONE_OTHER_ZONE] = "other-zone",
        [ZONE_IO] = "system-failed",
    };
    return words[kind];
}
