#include "lookup/decision.h"

#include "common/log.h"
#include "common/route.h"
#include "lookup/extension.h"

#include <stdlib.h>
#include <string.h>
#include <unistr.h>

static void take(struct decision *decision, size_t candidate, const char *value, size_t len)
{
    free(decision->value);
    decision->value = NULL;
    decision->conflict = false;
    decision->seen = true;
    decision->candidate = candidate;
    decision->len = len;
    if (value == NULL)
        return;
    decision->value = malloc(len + 1);
    if (decision->value == NULL) {
        decision->no_memory = true;
        return;
    }
    memcpy(decision->value, value, len);
    decision->value[len] = '\0';
}

/* True when the joined value has this value already: equal rows count once. */
static bool has_item(const struct decision *decision, const char *value, size_t len)
{
    const char *item = decision->value;
    const char *end = decision->value + decision->len;
    while ((size_t)(end - item) >= len) {
        const char *hit = memmem(item, (size_t)(end - item), value, len);
        if (hit == NULL)
            return false;
        bool begins = hit == decision->value ||
                      (hit - decision->value >= 2 && hit[-2] == ',' && hit[-1] == ' ');
        bool ends = hit + len == end || hit[len] == ',';
        if (begins && ends)
            return true;
        item = hit + 1;
    }
    return false;
}

static void join(struct decision *decision, const char *value, size_t len)
{
    if (len == 0 || decision->len == 0) {
        decision->conflict = true; /* an empty value beside another: nobody knows what is meant */
        return;
    }
    if (decision->len > ANSWER_VALUE_MAX || has_item(decision, value, len))
        return; /* too long already, which decision_end() says */
    char *both = realloc(decision->value, decision->len + len + 3);
    if (both == NULL) {
        decision->no_memory = true;
        return;
    }
    memcpy(both + decision->len, ", ", 2);
    memcpy(both + decision->len + 2, value, len);
    decision->value = both;
    decision->len += len + 2;
    both[decision->len] = '\0';
}

void decision_row(struct decision *decision, const struct map *map, size_t candidate,
                  const char *value, size_t len)
{
    if (decision->no_memory || (decision->seen && candidate > decision->candidate))
        return;
    if (!decision->seen || candidate < decision->candidate || decision->value == NULL) {
        take(decision, candidate, value, len);
        return;
    }
    /* A value beats NULL, and equal values are one. */
    bool adds = value && (len != decision->len || memcmp(value, decision->value, len) != 0);
    if (!adds)
        return;
    if (map->join)
        join(decision, value, len);
    else
        decision->conflict = true;
}

/*
 * Postfix puts the local part of what it asked for before a value that begins with '@', whatever
 * follows (mail_addr_map()): of "@d, x@d" it makes one recipient, "user@d, x"@d. Elsewhere in a
 * list "@d" is an address without a local part.
 */
static bool has_domain_in_list(const char *value)
{
    bool quoted = false, part_begins = true, has_at = false;
    if (value[0] == '@') {
        size_t domain = 1 + strcspn(value + 1, "@\", ");
        return domain == 1 || value[domain + strspn(value + domain, " ,")] != '\0';
    }
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '"') {
            quoted = !quoted;
        } else if (quoted) {
            if (*p == '\\' && p[1] != '\0')
                p++;
        } else if (*p == '@') {
            if (part_begins || (has_at && p[-1] == ' '))
                return true;
            has_at = true;
        } else if (*p == ',') {
            part_begins = true;
            has_at = false;
            continue;
        }
        part_begins = part_begins && *p == ' ';
    }
    return false;
}

/* NULL when the value may be sent, else what is wrong with it. */
static const char *value_fault(const struct decision *decision, const struct map *map)
{
    if (decision->conflict)
        return "rows of one key with different values";
    if (decision->len == 0)
        return "empty value";
    if (decision->len > ANSWER_VALUE_MAX)
        return "value is too long";
    for (size_t i = 0; i < decision->len; i++)
        if ((unsigned char)decision->value[i] < 0x20 || decision->value[i] == 0x7f)
            return "control character in value";
    if (u8_check((const uint8_t *)decision->value, decision->len) != NULL)
        return "value is not UTF-8";
    if (map->value == VALUE_ADDRESSES && has_domain_in_list(decision->value))
        return "a domain without a user among other addresses";
    if (map->value == VALUE_ROUTE)
        return route_check(decision->value, decision->len, map->transports);
    return NULL;
}

static void temporary(struct answer *answer, const char *reason)
{
    answer->result = LOOKUP_TEMPORARY;
    answer->text = reason;
    answer->len = strlen(reason);
}

void decision_end(struct decision *decision, const struct map *map,
                  const struct candidates *candidates, struct answer *answer)
{
    if (decision->no_memory) {
        temporary(answer, "no memory");
        return;
    }
    if (!decision->seen || decision->value == NULL) {
        *answer = (struct answer){.result = LOOKUP_NOT_FOUND};
        return;
    }
    const struct candidate *candidate = &candidates->list[decision->candidate];
    const char *fault = value_fault(decision, map);
    if (fault) {
        static struct log_limit limit; /* a bad row is asked for again and again */
        if (log_allows(&limit)) {
            char name[128];
            log_warning("map %s: row \"%s\": %s: answered as a temporary error", map->name,
                        log_key(candidate->text, candidate->len, name, sizeof name), fault);
        }
        temporary(answer, fault);
        return;
    }
    if (map->value == VALUE_ADDRESSES && candidates->extension && candidate->without_extension) {
        size_t len;
        char *extended = extension_add(decision->value, decision->len, candidates->extension,
                                       candidates->extension_len, &len);
        if (extended == NULL) {
            temporary(answer, "no memory");
            return;
        }
        free(decision->value);
        decision->value = extended;
        decision->len = len;
        if (len > ANSWER_VALUE_MAX) {
            temporary(answer, "value is too long");
            return;
        }
    }
    *answer =
        (struct answer){.result = LOOKUP_FOUND, .text = decision->value, .len = decision->len};
}

void decision_clear(struct decision *decision)
{
    free(decision->value);
    *decision = (struct decision){0};
}
