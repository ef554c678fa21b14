/* What the settings of import.conf mean together, and the forms of some of them that are made once:
 * the checks that a table cannot make. */
#ifndef LOOKUPD_IMPORTCONF_CHECK_H
#define LOOKUPD_IMPORTCONF_CHECK_H

#include "import/importconf.h"

/*
 * Reports everything that is wrong in conf, at the setting of root that it was read from, and fills
 * my_name_list, my_address_list, include, exclude and limits. Members that could not be read (they
 * were reported) are NULL in conf, and left alone.
 */
void importconf_check(struct importconf *conf, const config_setting_t *root,
                      struct settings_errors *errors);

#endif
