/*
 * Names as mail uses them: the one place that knows what a domain name is and how text is folded.
 * Knows no socket, no database and no configuration.
 */
#ifndef LOOKUPD_MAILNAME_H
#define LOOKUPD_MAILNAME_H

#include <stdbool.h>
#include <stddef.h>

/* RFC 1035 2.3.4, in presentation form without the final dot. */
#define MAILNAME_DOMAIN_MAX 253
/*
 * RFC 5321 4.5.3.1.1 says 64 octets; senders' VERP, BATV and SRS forms are longer, and Postfix
 * accepts them. Longer than this is taken for an attack.
 */
#define MAILNAME_LOCAL_MAX 512

/*
 * Folds text as Postfix with ICU folds it (Unicode full case folding, so that sharp s becomes ss;
 * no normalisation). Writes a NUL-terminated text to out and its length to out_len (may be NULL).
 * False when the text is not UTF-8, has control characters (C0, DEL, C1), or does not fit. Needs no
 * memory. Folding a folded text changes nothing, and the fold of two texts together is their folds
 * together.
 */
bool mailname_fold(const char *text, size_t len, char *out, size_t out_size, size_t *out_len);

/*
 * Brings a domain to the form that stands in tables: folded, A-labels, lower case, without one
 * trailing dot. Accepts letters, digits, '-' and '_' in labels of 1-63 octets, at most
 * MAILNAME_DOMAIN_MAX octets; a single label is a name. False when it cannot be a name: empty, '*',
 * '[192.0.2.1]', an empty label, over-long, not UTF-8, no A-label form; then errno is EINVAL.
 * Memory can run short on names that are not ASCII: then false too, and errno is ENOMEM. out must
 * have MAILNAME_DOMAIN_MAX + 1 octets.
 */
bool mailname_domain(const char *text, size_t len, char *out, size_t *out_len);

/*
 * True for a host name that Postfix's valid_hostname() takes: as mailname_domain(), but only ASCII,
 * no '-' at either end of a label, and not all labels numeric. Never changes anything.
 */
bool mailname_is_host(const char *text, size_t len);

/*
 * The position of the last '@' outside quotes, or len when there is none; *count (may be NULL) gets
 * their number. Quotes are those of RFC 5321 local parts: "..." with backslash escapes, at the
 * beginning or after a dot. Elsewhere '"' is an octet like others, as in a"b@d, which Postfix asks
 * after "a\"b"@d.
 */
size_t mailname_at(const char *text, size_t len, size_t *count);

#endif
