/*
 * tcp_table(5): lines, with %XX for what would not fit in one. A request is "get SP key NL", a
 * reply "200 value", "500 text" or "400 text". One map for each listener: requests do not name it.
 */
#include "server/codec.h"
#include "server/reason.h"

#include <event2/buffer.h>
#include <string.h>

/* Postfix reads at most so many octets of a reply, newline included (dict_tcp.c,
 * DICT_TCP_MAXLEN). */
#define REPLY_MAX 4096
#define CODE_LEN  4 /* "200 " */

static const char get[] = "get ";
#define GET_LEN (sizeof get - 1)

static enum codec_status bad(struct codec_request *request, const char *error)
{
    request->error = error;
    return CODEC_BAD;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* Takes %XX off; out has room for len octets. False for a '%' without two digits. */
static bool decode(const char *text, size_t len, char *out, size_t *out_len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            out[n++] = text[i];
            continue;
        }
        if (len - i < 3)
            return false;
        int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
        if (high < 0 || low < 0)
            return false;
        out[n++] = (char)(high * 16 + low);
        i += 2;
    }
    *out_len = n;
    return true;
}

static enum codec_status parse(const char *data, size_t len, char *scratch,
                               struct codec_request *request)
{
    *request = (struct codec_request){.map = NULL};
    if (memcmp(data, get, len < GET_LEN ? len : GET_LEN) != 0)
        return bad(request, "only \"get KEY\" is understood");
    const char *newline = memchr(data, '\n', len < CODEC_REQUEST_MAX ? len : CODEC_REQUEST_MAX);
    if (newline == NULL) {
        if (len >= CODEC_REQUEST_MAX)
            return bad(request, "the request is too long");
        return CODEC_MORE;
    }
    const char *key = data + GET_LEN;
    size_t key_len = (size_t)(newline - key);
    if (key_len > 0 && key[key_len - 1] == '\r')
        key_len--;
    request->key = key;
    request->key_len = key_len;
    if (memchr(key, '%', key_len) != NULL) {
        if (!decode(key, key_len, scratch, &request->key_len))
            return bad(request, "a '%' without two hexadecimal digits");
        request->key = scratch;
    }
    request->consumed = (size_t)(newline - data) + 1;
    return CODEC_REQUEST;
}

/*
 * Writes a text with %XX for '%' and whatever is no printable ASCII, and for blanks when asked.
 * False when it does not fit.
 */
static bool encode(const char *text, size_t len, bool blanks, char *out, size_t room, size_t *used)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c > 0x20 ? c < 0x7f && c != '%' : c == ' ' && !blanks) {
            if (n == room)
                return false;
            out[n++] = (char)c;
            continue;
        }
        if (room - n < 3)
            return false;
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    *used = n;
    return true;
}

/* Appends code, text and newline: all or nothing. */
static bool append(struct evbuffer *out, const char *code, const char *text, size_t len)
{
    char line[REPLY_MAX];
    memcpy(line, code, CODE_LEN);
    memcpy(line + CODE_LEN, text, len);
    line[CODE_LEN + len] = '\n';
    return evbuffer_add(out, line, CODE_LEN + len + 1) == 0;
}

/* Three times REASON_MAX always fits a reply. */
static bool append_temporary(struct evbuffer *out, const char *reason, size_t len)
{
    char plain[REASON_MAX];
    char text[3 * REASON_MAX];
    size_t n = 0;
    (void)encode(plain, reason_copy(reason, len, plain), false, text, sizeof text, &n);
    return append(out, "400 ", text, n);
}

static bool append_value(struct evbuffer *out, const struct answer *answer)
{
    static const char too_long[] = "the value in the table is too long for tcp_table";
    char text[REPLY_MAX - CODE_LEN - 1];
    size_t n;
    const char *harm = reason_of_harm(answer, ANSWER_VALUE_MAX);
    if (harm != NULL)
        return append_temporary(out, harm, strlen(harm));
    if (!encode(answer->text, answer->len, true, text, sizeof text, &n))
        return append_temporary(out, too_long, sizeof too_long - 1);
    return append(out, "200 ", text, n);
}

static bool reply(struct evbuffer *out, const struct answer *answer)
{
    static const char not_found[] = "not found";
    switch (answer->result) {
    case LOOKUP_FOUND:
        return append_value(out, answer);
    case LOOKUP_NOT_FOUND:
        return append(out, "500 ", not_found, sizeof not_found - 1);
    case LOOKUP_TEMPORARY:
        break;
    }
    return append_temporary(out, answer->text, answer->len);
}

const struct codec codec_tcp_table = {
    .name = "tcp_table", .names_map = false, .parse = parse, .reply = reply};
