/* Extensions. The input's first line is the extension, the rest a list of addresses. */
#include "check.h"
#include "lookup/answer.h"
#include "lookup/extension.h"

/* What a person wrote is all there, in order; only octets were put in between. */
static void check_kept(const char *list, size_t len, const char *made, size_t made_len)
{
    size_t i = 0;
    for (size_t j = 0; i < len && j < made_len; j++)
        if (list[i] == made[j])
            i++;
    CHECK(i == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    if (newline == NULL)
        return 0;
    size_t extension_len = (size_t)(newline - data);
    size_t len = size - extension_len - 1;
    char *extension = exact_copy(data, extension_len);
    char *list = exact_copy(newline + 1, len);
    size_t n;
    char *made = extension_add(list, len, extension, extension_len, &n);
    CHECK(made != NULL && made[n] == '\0' && n >= len);
    CHECK(n <= ANSWER_VALUE_MAX + 1 + 2 * extension_len + len);
    if (n <= ANSWER_VALUE_MAX)
        check_kept(list, len, made, n);
    if (extension_len == 0 || memchr(extension, '@', extension_len) != NULL)
        CHECK(n == len);
    free(made);
    free(list);
    free(extension);
    return 0;
}
