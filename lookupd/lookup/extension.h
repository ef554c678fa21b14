/* The address extension (user+ext) of a key, carried over to the addresses of an alias. */
#ifndef LOOKUPD_EXTENSION_H
#define LOOKUPD_EXTENSION_H

#include <stddef.h>

/*
 * Adds an extension ("+ext", with its delimiter) to each address of a list separated by commas and
 * blanks, as Postfix does for tables that it can ask for the address without extension
 * (propagate_unmatched_extensions): user@d becomes user+ext@d, "a b"@d becomes "a b+ext"@d, a bare
 * user becomes user+ext. An item that begins with '@' is left alone: Postfix puts the whole local
 * part before it. Returns a NUL-terminated text for free() and its length, or NULL without memory.
 */
char *extension_add(const char *addresses, size_t len, const char *extension, size_t extension_len,
                    size_t *out_len);

#endif
