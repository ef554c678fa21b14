/* What holds for every codec, whatever comes in. */
#ifndef LOOKUPD_FUZZ_CODEC_CHECK_H
#define LOOKUPD_FUZZ_CODEC_CHECK_H

#include "check.h"
#include "server/codec.h"

/* Beyond this, prefixes are tried in steps: all of them would be quadratic. */
#define PREFIX_MAX 200

static char codec_scratch[CODEC_REQUEST_MAX];

/*
 * Parses what stands at data, and every prefix of it. A request must come out at exactly one
 * length and stay the same when more octets follow; what is bad must stay bad.
 */
static enum codec_status check_parse(const struct codec *codec, const char *data, size_t size,
                                     struct codec_request *request)
{
    enum codec_status before = CODEC_MORE;
    for (size_t n = 0; n < size; n += n < PREFIX_MAX ? 1 : 997) {
        struct codec_request r;
        char *copy = exact_copy(data, n);
        enum codec_status status = codec->parse(copy, n, codec_scratch, &r);
        free(copy);
        CHECK(before == CODEC_MORE || status == before);
        CHECK(status != CODEC_REQUEST || before == status || n >= PREFIX_MAX || r.consumed == n);
        before = status;
    }
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
