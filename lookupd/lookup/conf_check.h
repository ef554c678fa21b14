/* What the settings mean together: the checks that a table cannot make. */
#ifndef LOOKUPD_CONF_CHECK_H
#define LOOKUPD_CONF_CHECK_H

#include "lookup/conf.h"

/* Reports everything that is wrong in conf, at the setting of root that it was read from. Members
 * that could not be read (they were reported) are NULL in conf, and left alone. */
void conf_check(const struct conf *conf, const config_setting_t *root,
                struct settings_errors *errors);

#endif
