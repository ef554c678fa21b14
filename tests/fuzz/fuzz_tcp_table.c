/* tcp_table: the octets of a connection; then the same octets as value and as reason of a reply. */
#include "codec_check.h"

#include <event2/buffer.h>

#define REPLY_MAX 4096

static size_t decode(const char *text, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '%') {
            char hex[3] = {text[i + 1], text[i + 2], '\0'};
            CHECK(strspn(hex, "0123456789ABCDEF") == 2);
            out[n++] = (char)strtoul(hex, NULL, 16);
            i += 2;
        } else {
            CHECK(text[i] >= 0x20 && text[i] < 0x7f);
            out[n++] = text[i];
        }
    }
    return n;
}

static void check_reply(enum lookup_result result, const char *text, size_t len)
{
    struct evbuffer *out = evbuffer_new();
    CHECK(out != NULL);
    CHECK(codec_tcp_table.reply(out, &(struct answer){result, text, len}));
    size_t n = evbuffer_get_length(out);
    char *line = exact_copy(evbuffer_pullup(out, -1), n);
    CHECK(n > 5 && n <= REPLY_MAX && line[n - 1] == '\n' && line[3] == ' ');
    char plain[REPLY_MAX];
    size_t plain_len = decode(line + 4, n - 5, plain);
    if (memcmp(line, "200", 3) == 0) {
        CHECK(result == LOOKUP_FOUND && plain_len == len && memcmp(plain, text, len) == 0);
        CHECK(memchr(line + 4, ' ', n - 5) == NULL);
    } else {
        CHECK(memcmp(line, "400", 3) == 0 && plain_len <= 200);
        CHECK(result == LOOKUP_TEMPORARY || len == 0 || memchr(text, '\0', len) != NULL ||
              3 * len > REPLY_MAX - 5);
    }
    free(line);
    evbuffer_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy(data, size);
    struct codec_request r;
    size_t at = 0;
    while (check_parse(&codec_tcp_table, copy + at, size - at, &r) == CODEC_REQUEST) {
        CHECK(copy[at + r.consumed - 1] == '\n' && r.map_len == 0);
        CHECK(memchr(copy + at, '\n', r.consumed - 1) == NULL);
        CHECK(r.key_len <= r.consumed - 5);
        check_reply(LOOKUP_FOUND, r.key, r.key_len);
        at += r.consumed;
    }
    check_reply(LOOKUP_FOUND, copy, size);
    check_reply(LOOKUP_TEMPORARY, copy, size);
    free(copy);
    return 0;
}
