/* socketmap: the octets of a connection; then the same octets as value and as reason of a reply. */
#include "codec_check.h"

#include <event2/buffer.h>

static void check_requests(const char *data, size_t size)
{
    struct codec_request r;
    size_t at = 0;
    while (check_parse(&codec_socketmap, data + at, size - at, &r) == CODEC_REQUEST) {
        CHECK(r.map_len > 0 && memchr(r.map, ' ', r.map_len) == NULL);
        CHECK(r.map > data + at && r.key == r.map + r.map_len + 1);
        CHECK(r.key + r.key_len + 1 == data + at + r.consumed);
        /* There is one way to write a request. */
        char head[24];
        int n = snprintf(head, sizeof head, "%zu:", r.map_len + 1 + r.key_len);
        CHECK(r.map - (data + at) == n && memcmp(data + at, head, (size_t)n) == 0);
        at += r.consumed;
    }
}

static void check_reply(enum lookup_result result, const char *text, size_t len)
{
    struct evbuffer *out = evbuffer_new();
    CHECK(out != NULL);
    CHECK(codec_socketmap.reply(out, &(struct answer){result, text, len}));
    size_t n = evbuffer_get_length(out);
    char *data = exact_copy(evbuffer_pullup(out, -1), n);
    char head[24] = "";
    memcpy(head, data, n < sizeof head - 1 ? n : sizeof head - 1);
    char *end;
    size_t payload = strtoul(head, &end, 10);
    size_t head_len = (size_t)(end - head) + 1;
    CHECK(head[0] >= '1' && head[0] <= '9' && *end == ':');
    CHECK(payload <= 100000 && head_len + payload + 1 == n && data[n - 1] == ',');
    bool sendable = result == LOOKUP_FOUND && len > 0 && len <= ANSWER_VALUE_MAX &&
                    memchr(text, '\0', len) == NULL;
    if (sendable) {
        CHECK(payload == len + 3 && memcmp(data + head_len, "OK ", 3) == 0);
        CHECK(memcmp(data + head_len + 3, text, len) == 0);
    } else {
        CHECK(payload > 5 && payload <= 205 && memcmp(data + head_len, "TEMP ", 5) == 0);
        for (size_t i = 0; i < payload; i++)
            CHECK(data[head_len + i] >= 0x20 && data[head_len + i] < 0x7f);
    }
    free(data);
    evbuffer_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy(data, size);
    check_requests(copy, size);
    check_reply(LOOKUP_FOUND, copy, size);
    check_reply(LOOKUP_TEMPORARY, copy, size);
    free(copy);
    return 0;
}
