/*
 * Candidates: the keys that stand for one key that Postfix asks, most specific first. Postfix sends
 * a socketmap or tcp_table the whole key once and never a derived one, so all partial matching is
 * done here. Knows no socket and no database.
 */
#ifndef LOOKUPD_CANDIDATES_H
#define LOOKUPD_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the keys of a map are: the setting maps.NAME.keys. */
enum keys_kind { KEYS_DOMAIN, KEYS_ADDRESS, KEYS_CLIENT, KEYS_EXACT };

/* The lists that a map's SQL can name: ":domains" and so on, in this order. */
enum key_list {
    LIST_ADDRESSES,
    LIST_AT_DOMAINS,
    LIST_DOMAINS,
    LIST_LOCALS,
    LIST_CLIENTS,
    LIST_KEY,
    LIST_COUNT
};

/* A name of 127 labels has 127 candidates, each with and without '@'; four for the address. */
#define CANDIDATES_MAX 260

/* No candidate is longer: an exact key of InnoDB's longest index key. A row whose key is longer can
 * match none. */
#define CANDIDATE_LEN_MAX 3072

struct candidate {
    const char *text; /* NUL-terminated, folded */
    uint16_t len;
    uint8_t list; /* enum key_list */
    /*
     * The key's user part without its extension. Not set for domains: there Postfix forgets the
     * extension too, so that a catch-all's goto does not get it (mail_addr_find()).
     */
    bool without_extension;
    uint32_t hash; /* candidates_hash() of the text */
};

struct candidates {
    /* Of the key, with its delimiter, in the client's case, not quoted: "+Ext"; or NULL. */
    const char *extension;
    size_t extension_len;
    bool ascii; /* every candidate is ASCII */
    size_t count;
    struct candidate list[]; /* most specific first */
};

enum candidates_status {
    CANDIDATES_OK,
    CANDIDATES_NOT_A_NAME, /* the key cannot be in any table: not found, without asking */
    CANDIDATES_NO_MEMORY
};

/*
 * Makes the candidates of a key (any octets, any case). delimiter is Postfix's recipient_delimiter,
 * a set of characters, may be "". On CANDIDATES_OK *out is one allocation, to be given to free();
 * otherwise it is NULL. Rules: design of the maps in lookupd.conf(5), "KEYS".
 */
enum candidates_status candidates_make(enum keys_kind kind, const char *key, size_t len,
                                       const char *delimiter, struct candidates **out);

/* The hash that candidates carry, for looking rows up among them. */
uint32_t candidates_hash(const char *text, size_t len);

/*
 * Brings the key of a row to the form that candidates have, so that a row that a column's collation
 * takes for one is recognised: mailname_fold() with one trailing dot dropped (unless another dot,
 * or nothing, stands before it). To most collations blanks at the end mean nothing; no name ends
 * with one, but an exact key may. False when it can match none.
 */
bool candidates_fold_row(enum keys_kind kind, const char *key, size_t len, char *out,
                         size_t out_size, size_t *out_len);

#endif
