/*
 * socketmap_table(5): netstrings both ways. A request is "LEN:NAME SP KEY,", a reply "LEN:OK
 * value,", "LEN:NOTFOUND ," or "LEN:TEMP reason,".
 */
#include "server/codec.h"
#include "server/reason.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

/* The shortest payload: a name of one octet, the blank, an empty key. */
#define PAYLOAD_MIN 2

/* Digits of ANSWER_VALUE_MAX and more, the colon, NUL. */
#define HEAD_SIZE 24

static enum codec_status bad(struct codec_request *request, const char *error)
{
    request->error = error;
    return CODEC_BAD;
}

/*
 * Reads "LEN:". Stops at the first octet that cannot be right, so that a peer that talks something
 * else is not waited for. *head is the length of what was read.
 */
static enum codec_status parse_length(const char *data, size_t len, size_t *payload, size_t *head,
                                      struct codec_request *request)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = data[i];
        if (c == ':' && i > 0) {
            if (n < PAYLOAD_MIN)
                return bad(request, "no map and key in the request");
            *payload = n;
            *head = i + 1;
            return CODEC_REQUEST;
        }
        if (c < '0' || c > '9')
            return bad(request, "not a netstring: a length is expected");
        if (i > 0 && n == 0)
            return bad(request, "not a netstring: the length begins with 0");
        n = n * 10 + (size_t)(c - '0');
        if (n > CODEC_REQUEST_MAX)
            return bad(request, "the request is too long");
    }
    return CODEC_MORE;
}

static enum codec_status parse(const char *data, size_t len, char *scratch,
                               struct codec_request *request)
{
    size_t size = 0, head = 0;
    *request = (struct codec_request){.map = NULL};
    enum codec_status status = parse_length(data, len, &size, &head, request);
    if (status != CODEC_REQUEST)
        return status;
    const char *payload = data + head;
    if (len - head <= size)
        return CODEC_MORE;
    if (payload[size] != ',')
        return bad(request, "not a netstring: the comma at the end is missing");
    const char *blank = memchr(payload, ' ', size);
    if (blank == NULL)
        return bad(request, "no blank between map and key");
    if (blank == payload)
        return bad(request, "the name of the map is missing");
    request->map = payload;
    request->map_len = (size_t)(blank - payload);
    request->key = blank + 1;
    request->key_len = size - request->map_len - 1;
    request->consumed = head + size + 1;
    return CODEC_REQUEST;
}

/* Appends all or nothing. */
static bool append(struct evbuffer *out, const char *word, const char *text, size_t len)
{
    char head[HEAD_SIZE];
    size_t word_len = strlen(word);
    size_t head_len = (size_t)snprintf(head, sizeof head, "%zu:", word_len + len);
    struct evbuffer_iovec room;
    size_t total = head_len + word_len + len + 1;
    if (evbuffer_reserve_space(out, (ev_ssize_t)total, &room, 1) != 1)
        return false;
    char *p = room.iov_base;
    memcpy(p, head, head_len);
    memcpy(p + head_len, word, word_len);
    memcpy(p + head_len + word_len, text, len);
    p[total - 1] = ',';
    room.iov_len = total;
    return evbuffer_commit_space(out, &room, 1) == 0;
}

static bool append_temporary(struct evbuffer *out, const char *reason, size_t len)
{
    char text[REASON_MAX];
    return append(out, "TEMP ", text, reason_copy(reason, len, text));
}

static bool reply(struct evbuffer *out, const struct answer *answer)
{
    const char *harm;
    switch (answer->result) {
    case LOOKUP_FOUND:
        harm = reason_of_harm(answer, ANSWER_VALUE_MAX);
        if (harm != NULL)
            return append_temporary(out, harm, strlen(harm));
        return append(out, "OK ", answer->text, answer->len);
    case LOOKUP_NOT_FOUND:
        return append(out, "NOTFOUND ", "", 0);
    case LOOKUP_TEMPORARY:
        break;
    }
    return append_temporary(out, answer->text, answer->len);
}

const struct codec codec_socketmap = {
    .name = "socketmap", .names_map = true, .parse = parse, .reply = reply};
