/* socketmap: requests octet by octet, every malformed form, replies byte for byte. */
#include "server/codec.h"

#include <criterion/criterion.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct codec *const codec = &codec_socketmap;
static char scratch[CODEC_REQUEST_MAX];

/* Parses a copy that has exactly len octets, so that a sanitizer sees a read beyond. */
static enum codec_status parse_copy(const char *data, size_t len, struct codec_request *request,
                                    char **copy)
{
    *copy = malloc(len > 0 ? len : 1);
    memcpy(*copy, data, len);
    return codec->parse(*copy, len, scratch, request);
}

static enum codec_status status_of(const char *data, size_t len)
{
    struct codec_request request;
    char *copy;
    enum codec_status status = parse_copy(data, len, &request, &copy);
    if (status == CODEC_BAD)
        cr_expect(request.error != NULL && request.error[0] != '\0');
    free(copy);
    return status;
}

static void expect_request(const char *data, size_t len, const char *map, const char *key,
                           size_t key_len)
{
    for (size_t i = 0; i < len; i++)
        cr_expect_eq(status_of(data, i), CODEC_MORE, "%.*s", (int)i, data);
    struct codec_request r;
    char *copy;
    cr_assert_eq(parse_copy(data, len, &r, &copy), CODEC_REQUEST, "%s", data);
    cr_expect_eq(r.consumed, len);
    cr_expect(r.map_len == strlen(map) && memcmp(r.map, map, r.map_len) == 0);
    cr_expect(r.key_len == key_len && memcmp(r.key, key, key_len) == 0, "%s", data);
    free(copy);
}

Test(socketmap, requests)
{
    static const char user[] = "39:transport_maps User+Ext@Sub.Example.COM,";
    expect_request(user, sizeof user - 1, "transport_maps", "User+Ext@Sub.Example.COM", 24);
    expect_request("36:relay_recipient_maps \"a b\"@q.example,", 40, "relay_recipient_maps",
                   "\"a b\"@q.example", 15);
    expect_request("2:t ,", 5, "t", "", 0);
    expect_request("3:t  ,", 6, "t", " ", 1);
    expect_request("5:t a,b,", 8, "t", "a,b", 3);
    expect_request("5:t \0\xff\n,", 8, "t", "\0\xff\n", 3);
    expect_request("9:t 12:34,6,", 12, "t", "12:34,6", 7);
}

Test(socketmap, pipelined)
{
    static const char data[] = "3:a 1,3:b 2,4:c 33,2:d";
    size_t at = 0;
    struct codec_request r;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(codec->parse(data + at, sizeof data - 1 - at, scratch, &r), CODEC_REQUEST);
        cr_expect_eq(r.map[0], "abc"[i]);
        cr_expect_eq(r.key[0], "123"[i]);
        at += r.consumed;
    }
    cr_expect_eq(at, 19);
    cr_expect_eq(codec->parse(data + at, sizeof data - 1 - at, scratch, &r), CODEC_MORE);
}

Test(socketmap, longest_request)
{
    static char data[CODEC_REQUEST_MAX + 16];
    int head = snprintf(data, sizeof data, "%d:m ", CODEC_REQUEST_MAX);
    memset(data + head, 'k', CODEC_REQUEST_MAX - 2);
    data[head + CODEC_REQUEST_MAX - 2] = ',';
    size_t len = (size_t)head + CODEC_REQUEST_MAX - 2 + 1;
    struct codec_request r;
    cr_expect_eq(codec->parse(data, len - 1, scratch, &r), CODEC_MORE);
    cr_assert_eq(codec->parse(data, len, scratch, &r), CODEC_REQUEST);
    cr_expect_eq(r.key_len, CODEC_REQUEST_MAX - 2);
    cr_expect_eq(r.consumed, len);
}

Test(socketmap, malformed)
{
    /* The shortest prefix that is bad; one octet less is not. */
    static const struct {
        const char *data;
        size_t len;
    } rows[] = {
        {"x", 1},
        {":", 1},
        {"-", 1},
        {" ", 1},
        {"+", 1},
        {"\0", 1},
        {"\n", 1},
        {"\xff", 1},
        {"1x", 2},
        {"1 ", 2},
        {"1,", 2},
        {"12345x", 6},
        {"00", 2},
        {"01", 2},
        {"004:", 2},
        {"0:", 2},
        {"1:", 2},
        {"65537", 5},
        {"99999", 5},
        {"655360", 6},
        {"100000", 6},
        {"11111111111111111111:", 6},
        {"18446744073709551618:", 6},
        {"2:t x", 5},
        {"2:tx,", 5},
        {"2: t,", 5},
        {"3: t ,", 6},
        {"5:abcde,", 8},
        {"2:  ,", 5},
        {"get a\n", 1},
        {"GET / HTTP/1.0\r\n", 1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_expect_eq(status_of(rows[i].data, rows[i].len), CODEC_BAD, "%s", rows[i].data);
        for (size_t n = 0; n < rows[i].len; n++)
            cr_expect_eq(status_of(rows[i].data, n), CODEC_MORE, "%.*s", (int)n, rows[i].data);
    }
}

Test(socketmap, bad_stays_bad)
{
    static const char tail[] = "1:a b,";
    static const char *const heads[] = {"x", "00", "0:", "65537", "2:tx,", "2: t,"};
    for (size_t i = 0; i < COUNT(heads); i++) {
        char data[64];
        int n = snprintf(data, sizeof data, "%s%s", heads[i], tail);
        for (size_t len = strlen(heads[i]); len <= (size_t)n; len++)
            cr_expect_eq(status_of(data, len), CODEC_BAD);
    }
}

/* The one netstring in out, taken apart; NULL when there is not exactly one. */
static char *payload(struct evbuffer *out, size_t *len)
{
    size_t n = evbuffer_get_length(out);
    char *data = malloc(n + 1);
    evbuffer_remove(out, data, n);
    char *end;
    size_t size = strtoul(data, &end, 10);
    if (*end != ':' || (size_t)(end - data) + 1 + size + 1 != n || data[n - 1] != ',') {
        free(data);
        return NULL;
    }
    memmove(data, end + 1, size);
    data[size] = '\0';
    *len = size;
    return data;
}

static void expect_reply(enum lookup_result result, const char *text, size_t len, const char *want,
                         size_t want_len)
{
    struct evbuffer *out = evbuffer_new();
    struct answer answer = {.result = result, .text = text, .len = len};
    cr_assert(codec->reply(out, &answer));
    size_t n = 0;
    char *got = payload(out, &n);
    cr_assert_not_null(got);
    cr_expect(n == want_len && memcmp(got, want, n) == 0, "got %s, want %s", got, want);
    free(got);
    evbuffer_free(out);
}

#define EXPECT(result, text, want)                                                                 \
    expect_reply(result, text, sizeof(text) - 1, want, sizeof(want) - 1)

Test(socketmap, replies)
{
    EXPECT(LOOKUP_FOUND, "smtp:[10.0.0.1]:25", "OK smtp:[10.0.0.1]:25");
    EXPECT(LOOKUP_FOUND, " ", "OK  ");
    EXPECT(LOOKUP_FOUND, "a\nb", "OK a\nb");
    EXPECT(LOOKUP_FOUND, "", "TEMP the value in the table is empty");
    EXPECT(LOOKUP_FOUND, "a\0b", "TEMP the value in the table has a NUL");
    EXPECT(LOOKUP_NOT_FOUND, "", "NOTFOUND ");
    EXPECT(LOOKUP_NOT_FOUND, "ignored", "NOTFOUND ");
    EXPECT(LOOKUP_TEMPORARY, "no database", "TEMP no database");
    EXPECT(LOOKUP_TEMPORARY, "", "TEMP temporary failure");
    EXPECT(LOOKUP_TEMPORARY, "a\r\nb\0c\x7f\xc3\xbc", "TEMP a??b?c???");
    expect_reply(LOOKUP_NOT_FOUND, NULL, 0, "NOTFOUND ", 9);
    expect_reply(LOOKUP_TEMPORARY, NULL, 0, "TEMP temporary failure", 22);
    expect_reply(LOOKUP_FOUND, NULL, 0, "TEMP the value in the table is empty", 36);
}

Test(socketmap, reply_octets)
{
    struct evbuffer *out = evbuffer_new();
    cr_assert(codec->reply(out, &(struct answer){.result = LOOKUP_NOT_FOUND}));
    cr_assert(codec->reply(out, &(struct answer){LOOKUP_FOUND, "v", 1}));
    cr_assert(codec->reply(out, &(struct answer){LOOKUP_TEMPORARY, "r", 1}));
    static const char want[] = "9:NOTFOUND ,4:OK v,6:TEMP r,";
    cr_assert_eq(evbuffer_get_length(out), sizeof want - 1);
    cr_expect_arr_eq(evbuffer_pullup(out, -1), want, sizeof want - 1);
    evbuffer_free(out);
}

Test(socketmap, reply_lengths)
{
    static char text[ANSWER_VALUE_MAX + 1];
    static char want[ANSWER_VALUE_MAX + 4];
    memset(text, 'v', sizeof text);
    memset(want, 'v', sizeof want);
    memcpy(want, "OK ", 3);
    expect_reply(LOOKUP_FOUND, text, ANSWER_VALUE_MAX, want, 100000);
    static const char long_text[] = "TEMP the value in the table is too long";
    expect_reply(LOOKUP_FOUND, text, ANSWER_VALUE_MAX + 1, long_text, sizeof long_text - 1);
    memcpy(want, "TEMP ", 5);
    expect_reply(LOOKUP_TEMPORARY, text, 200, want, 205);
    expect_reply(LOOKUP_TEMPORARY, text, 201, want, 205);
    expect_reply(LOOKUP_TEMPORARY, text, sizeof text, want, 205);
}

static void *no_memory(size_t size)
{
    return NULL;
}

Test(socketmap, no_memory_appends_nothing)
{
    static char text[50000];
    memset(text, 'v', sizeof text);
    struct evbuffer *out = evbuffer_new();
    evbuffer_add(out, "x", 1);
    event_set_mem_functions(no_memory, realloc, free);
    bool ok = codec->reply(out, &(struct answer){LOOKUP_FOUND, text, sizeof text});
    event_set_mem_functions(malloc, realloc, free);
    cr_expect_not(ok);
    cr_expect_eq(evbuffer_get_length(out), 1);
    evbuffer_free(out);
}
