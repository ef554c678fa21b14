/* Reasons of temporary answers. */
#include "server/reason.h"

#include <string.h>

size_t reason_copy(const char *reason, size_t len, char *out)
{
    static const char none[] = "temporary failure";
    if (len == 0) {
        reason = none;
        len = sizeof none - 1;
    }
    if (len > REASON_MAX)
        len = REASON_MAX;
    for (size_t i = 0; i < len; i++)
        out[i] = reason[i];
    for (size_t i = 0; i < len; i++)
        if (out[i] < 0x20 || out[i] > 0x7e)
            out[i] = '?';
    return len;
}

const char *reason_of_harm(const struct answer *answer, size_t max)
{
    if (answer->len == 0)
        return "the value in the table is empty";
    if (answer->len > max)
        return "the value in the table is too long";
    if (memchr(answer->text, '\0', answer->len) != NULL)
        return "the value in the table has a NUL";
    return NULL;
}
