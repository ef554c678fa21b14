/* tcp_table: lines octet by octet, every malformed form, %XX both ways, replies byte for byte. */
#include "server/codec.h"

#include <criterion/criterion.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct codec *const codec = &codec_tcp_table;
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

static void expect_request(const char *data, size_t len, const char *key, size_t key_len)
{
    for (size_t i = 0; i < len; i++)
        cr_expect_eq(status_of(data, i), CODEC_MORE, "%.*s", (int)i, data);
    struct codec_request r;
    char *copy;
    cr_assert_eq(parse_copy(data, len, &r, &copy), CODEC_REQUEST, "%s", data);
    cr_expect_eq(r.consumed, len);
    cr_expect_null(r.map);
    cr_expect_eq(r.map_len, 0);
    cr_expect(r.key_len == key_len && memcmp(r.key, key, key_len) == 0, "%s", data);
    free(copy);
}

Test(tcp_table, requests)
{
    expect_request("get a\n", 6, "a", 1);
    expect_request("get \n", 5, "", 0);
    expect_request("get \r\n", 6, "", 0);
    expect_request("get a\r\n", 7, "a", 1);
    expect_request("get a\r\r\n", 8, "a\r", 2);
    expect_request("get a%0D\r\n", 10, "a\r", 2);
    expect_request("get a b\n", 8, "a b", 3);
    expect_request("get %25\n", 8, "%", 1);
    expect_request("get %00%ff%FF\n", 14, "\0\xff\xff", 3);
    expect_request("get %0A\n", 8, "\n", 1);
    expect_request("get \xc3\xbc\n", 7, "\xc3\xbc", 2);
    static const char postfix[] = "get Mixed%20Case%25@Ex%C3%A4mple.com\n";
    expect_request(postfix, sizeof postfix - 1, "Mixed Case%@Ex\xc3\xa4mple.com", 24);
}

Test(tcp_table, pipelined)
{
    static const char data[] = "get a\nget %62\r\nget \nget d";
    static const char *const keys[] = {"a", "b", ""};
    size_t at = 0;
    struct codec_request r;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(codec->parse(data + at, sizeof data - 1 - at, scratch, &r), CODEC_REQUEST);
        cr_expect(r.key_len == strlen(keys[i]) && memcmp(r.key, keys[i], r.key_len) == 0);
        at += r.consumed;
    }
    cr_expect_eq(at, 20);
    cr_expect_eq(codec->parse(data + at, sizeof data - 1 - at, scratch, &r), CODEC_MORE);
}

Test(tcp_table, longest_request)
{
    static char data[CODEC_REQUEST_MAX + 2];
    memset(data, 'k', sizeof data);
    memcpy(data, "get ", 4);
    data[CODEC_REQUEST_MAX - 1] = '\n';
    struct codec_request r;
    cr_expect_eq(codec->parse(data, CODEC_REQUEST_MAX - 1, scratch, &r), CODEC_MORE);
    cr_assert_eq(codec->parse(data, CODEC_REQUEST_MAX, scratch, &r), CODEC_REQUEST);
    cr_expect_eq(r.key_len, CODEC_REQUEST_MAX - 5);
    data[CODEC_REQUEST_MAX - 1] = 'k';
    data[CODEC_REQUEST_MAX] = '\n';
    cr_expect_eq(codec->parse(data, CODEC_REQUEST_MAX, scratch, &r), CODEC_BAD);
    cr_expect_eq(codec->parse(data, CODEC_REQUEST_MAX + 1, scratch, &r), CODEC_BAD);
    memset(data, '%', sizeof data);
    memcpy(data, "get ", 4);
    data[CODEC_REQUEST_MAX - 1] = '\n';
    cr_expect_eq(codec->parse(data, CODEC_REQUEST_MAX, scratch, &r), CODEC_BAD);
}

Test(tcp_table, malformed)
{
    /* The shortest prefix that is bad; one octet less is not. */
    static const struct {
        const char *data;
        size_t len;
    } rows[] = {
        {"x", 1},
        {"G", 1},
        {"GET a\n", 1},
        {"\n", 1},
        {"put a b\n", 1},
        {"get\n", 4},
        {"get\ta\n", 4},
        {"getx", 4},
        {" get a\n", 1},
        {"\0", 1},
        {"39:transport", 1},
        {"get %\n", 6},
        {"get %4\n", 7},
        {"get %4\r\n", 8},
        {"get %zz\n", 8},
        {"get %4z\n", 8},
        {"get %z4\n", 8},
        {"get a%%41\n", 10},
        {"get %41%\n", 9},
        {"get % 1\n", 8},
        {"get %-1\n", 8},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        cr_expect_eq(status_of(rows[i].data, rows[i].len), CODEC_BAD, "%s", rows[i].data);
        for (size_t n = 0; n < rows[i].len; n++)
            cr_expect_eq(status_of(rows[i].data, n), CODEC_MORE, "%.*s", (int)n, rows[i].data);
    }
}

static void expect_reply(enum lookup_result result, const char *text, size_t len, const char *want,
                         size_t want_len)
{
    struct evbuffer *out = evbuffer_new();
    struct answer answer = {.result = result, .text = text, .len = len};
    cr_assert(codec->reply(out, &answer));
    size_t n = evbuffer_get_length(out);
    const char *got = (const char *)evbuffer_pullup(out, -1);
    cr_expect(n == want_len && memcmp(got, want, n) == 0, "got %.*s want %s", (int)n, got, want);
    evbuffer_free(out);
}

#define EXPECT(result, text, want)                                                                 \
    expect_reply(result, text, sizeof(text) - 1, want, sizeof(want) - 1)

Test(tcp_table, replies)
{
    EXPECT(LOOKUP_FOUND, "relay:[a]:25,[b]", "200 relay:[a]:25,[b]\n");
    EXPECT(LOOKUP_FOUND, "a b\tc%\n\r\x7f\xc3\xbc~!", "200 a%20b%09c%25%0A%0D%7F%C3%BC~!\n");
    EXPECT(LOOKUP_FOUND, " ", "200 %20\n");
    EXPECT(LOOKUP_FOUND, "", "400 the value in the table is empty\n");
    EXPECT(LOOKUP_FOUND, "a\0b", "400 the value in the table has a NUL\n");
    EXPECT(LOOKUP_NOT_FOUND, "", "500 not found\n");
    EXPECT(LOOKUP_TEMPORARY, "no database", "400 no database\n");
    EXPECT(LOOKUP_TEMPORARY, "", "400 temporary failure\n");
    EXPECT(LOOKUP_TEMPORARY, "50%\r\n200 x\0", "400 50%25??200 x?\n");
    expect_reply(LOOKUP_TEMPORARY, NULL, 0, "400 temporary failure\n", 22);
}

Test(tcp_table, reply_lengths)
{
    static char text[ANSWER_VALUE_MAX + 1];
    static char want[4097];
    memset(text, 'v', sizeof text);
    memset(want, 'v', sizeof want);
    memcpy(want, "200 ", 4);
    want[4095] = '\n';
    expect_reply(LOOKUP_FOUND, text, 4091, want, 4096);
    static const char long_text[] = "400 the value in the table is too long for tcp_table\n";
    expect_reply(LOOKUP_FOUND, text, 4092, long_text, sizeof long_text - 1);
    /* 4091 octets, one of which becomes three. */
    text[4088] = '%';
    expect_reply(LOOKUP_FOUND, text, 4090, long_text, sizeof long_text - 1);
    text[4088] = 'v';
    text[4090] = '%';
    expect_reply(LOOKUP_FOUND, text, 4091, long_text, sizeof long_text - 1);
    text[4090] = 'v';
    static const char longest[] = "400 the value in the table is too long\n";
    expect_reply(LOOKUP_FOUND, text, sizeof text, longest, sizeof longest - 1);
    memset(want, 'v', sizeof want);
    memcpy(want, "400 ", 4);
    want[204] = '\n';
    expect_reply(LOOKUP_TEMPORARY, text, 5000, want, 205);
    memset(text, '%', 200);
    for (size_t i = 0; i < 200; i++)
        memcpy(want + 4 + 3 * i, "%25", 3);
    want[604] = '\n';
    expect_reply(LOOKUP_TEMPORARY, text, 200, want, 605);
}

Test(tcp_table, one_reply_each)
{
    struct evbuffer *out = evbuffer_new();
    cr_assert(codec->reply(out, &(struct answer){.result = LOOKUP_NOT_FOUND}));
    cr_assert(codec->reply(out, &(struct answer){LOOKUP_FOUND, "v", 1}));
    static const char want[] = "500 not found\n200 v\n";
    cr_assert_eq(evbuffer_get_length(out), sizeof want - 1);
    cr_expect_arr_eq(evbuffer_pullup(out, -1), want, sizeof want - 1);
    evbuffer_free(out);
}
