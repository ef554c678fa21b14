/*
 * What socketmap and tcp_table have in common: octets in, requests out; answers in, octets out. A
 * codec knows no socket and no map; it never blocks and keeps nothing between calls.
 */
#ifndef LOOKUPD_CODEC_H
#define LOOKUPD_CODEC_H

#include "lookup/answer.h"

#include <stdbool.h>
#include <stddef.h>

struct evbuffer;

/* Postfix 3.7 limits no request, 3.12 sends at most 10000 octets (socketmap_max_query_size). */
#define CODEC_REQUEST_MAX 65536

enum codec_status {
    CODEC_MORE,    /* the request is not complete yet */
    CODEC_REQUEST, /* one request; consumed says how far it goes */
    CODEC_BAD      /* not the protocol: one error reply, then close */
};

struct codec_request {
    const char *map; /* the map's name as asked; NULL where the listener decides (tcp_table) */
    size_t map_len;
    const char *key; /* may hold any octet; points into the data given, or into scratch */
    size_t key_len;
    size_t consumed;   /* octets of data that the request took */
    const char *error; /* CODEC_BAD: what is wrong, constant text */
};

struct codec {
    const char *name; /* "socketmap", "tcp_table": the setting listeners.protocol */
    bool names_map;   /* requests say which map they ask */
    /*
     * Looks for one request at the beginning of data. Never reads beyond len. scratch is room for
     * CODEC_REQUEST_MAX octets, where a decoded key may be put.
     */
    enum codec_status (*parse)(const char *data, size_t len, char *scratch,
                               struct codec_request *request);
    /*
     * Appends exactly one reply. A value that the protocol cannot carry (too long) becomes a
     * temporary error. False without memory: then nothing was appended.
     */
    bool (*reply)(struct evbuffer *out, const struct answer *answer);
};

extern const struct codec codec_socketmap; /* socketmap.c */
extern const struct codec codec_tcp_table; /* tcp_table.c */

#endif
