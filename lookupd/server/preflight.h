/* What a start would stumble over outside the file: accounts and folders. For lookupd -t. */
#ifndef LOOKUPD_PREFLIGHT_H
#define LOOKUPD_PREFLIGHT_H

#include "common/settings.h"
#include "lookup/conf.h"

#include <stdbool.h>

/*
 * Reports what is missing: the user and group to become (when we are root, as the start would have
 * to be), owner and group of sockets, the folders that they stand in. The configuration may be one
 * of conf_read_faulty(). False when the user or group to become is missing.
 */
bool preflight_check(const struct conf *conf, struct settings_errors *errors);

#endif
