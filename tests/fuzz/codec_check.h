/* What holds for every codec, whatever comes in. */
#ifndef LOOKUPD_FUZZ_CODEC_CHECK_H
#define LOOKUPD_FUZZ_CODEC_CHECK_H

#include "check.h"
#include "server/codec.h"

#include <sanitizer/asan_interface.h>

/* Beyond this, prefixes are tried in steps: all of them would be quadratic. */
#define PREFIX_MAX 200
/* Prefixes that go beyond a request's end, by octets of what follows it. */
#define BEYOND 8

static char codec_scratch[CODEC_REQUEST_MAX];

/* Every prefix of data[0..size), which must be the end of what was allocated: ASan is told that
 * nothing stands behind the prefix. Returns what came out last. */
static enum codec_status check_prefixes(const struct codec *codec, const char *data, size_t size)
{
    static char scratch[CODEC_REQUEST_MAX]; /* of its own: the key of the request stays */
    enum codec_status before = CODEC_MORE;
    size_t last = 0;
    ASAN_POISON_MEMORY_REGION(data, size);
    for (size_t n = 0; n < size; n += n < PREFIX_MAX ? 1 : 997) {
        struct codec_request r;
        ASAN_UNPOISON_MEMORY_REGION(data + last, n - last);
        last = n;
        enum codec_status status = codec->parse(data, n, scratch, &r);
        CHECK(before == CODEC_MORE || status == before);
        CHECK(status != CODEC_REQUEST || before == status || n >= PREFIX_MAX || r.consumed == n);
        before = status;
        if (status == CODEC_REQUEST && n >= r.consumed + BEYOND)
            break;
    }
    ASAN_UNPOISON_MEMORY_REGION(data + last, size - last);
    return before;
}

/*
 * Parses what stands at data, up to the end of what was allocated, and the prefixes of it. A
 * request must come out at exactly one length and stay the same when more octets follow; what is
 * bad must stay bad.
 */
static enum codec_status check_parse(const struct codec *codec, const char *data, size_t size,
                                     struct codec_request *request)
{
    enum codec_status before = check_prefixes(codec, data, size);
    enum codec_status status = codec->parse(data, size, codec_scratch, request);
    CHECK(before == CODEC_MORE || status == before);
    if (status == CODEC_BAD)
        CHECK(request->error != NULL && request->error[0] != '\0');
    if (status == CODEC_REQUEST) {
        CHECK(request->consumed > 0 && request->consumed <= size);
        CHECK(request->key != NULL && request->key_len < CODEC_REQUEST_MAX);
        CHECK((request->map != NULL) == codec->names_map);
    }
    return status;
}

#endif
