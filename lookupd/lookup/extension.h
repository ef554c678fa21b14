/* The address extension (user+ext) of a key, carried over to the addresses of an alias. */
#ifndef LOOKUPD_EXTENSION_H
#define LOOKUPD_EXTENSION_H

#include <stddef.h>

/*
 * Adds an extension ("+ext", with its delimiter, not quoted) to each address of a list separated by
 * commas and blanks, as Postfix does for tables that it can ask for the address without extension
 * (propagate_unmatched_extensions): user@d becomes user+ext@d, "a b"@d becomes "a b+ext"@d, a bare
 * user becomes user+ext, Name <user@d> becomes Name <user+ext@d>. An item that begins with '@' is
 * left alone: Postfix puts the whole local part before it.
 *
 * What could be misread passes as it is: routed addresses (x%y@d, x!y), half-quoted local parts,
 * and a whole list with comments, groups or anything unbalanced in it.
 *
 * Returns a NUL-terminated text for free() and its length, or NULL without memory. A result that
 * would be longer than ANSWER_VALUE_MAX, and so cannot be sent, is cut somewhere beyond that.
 */
char *extension_add(const char *addresses, size_t len, const char *extension, size_t extension_len,
                    size_t *out_len);

#endif
