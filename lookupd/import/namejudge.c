/* Which names are wanted. */
#include "import/namejudge.h"

#include "import/importconf.h"

/* What the settings say about a name. */
enum mark {
    INCLUDE_SELF = 1,
    INCLUDE_BELOW = 2,
    INCLUDE_WITHIN = 4, /* something at or below it is asked for */
    EXCLUDE_SELF = 8,
    EXCLUDE_BELOW = 16,
};

static bool add_mark(struct namejudge *judge, const uint8_t *name, unsigned mark)
{
    uint32_t *value = nametable_at(&judge->names, name, 0);
    if (value == NULL)
        return false;
    *value = (*value == NAMETABLE_NONE ? 0 : *value) | mark;
    return true;
}

static unsigned marks_of(const struct namejudge *judge, const uint8_t *name)
{
    uint32_t value = nametable_find(&judge->names, name, 0);
    return value == NAMETABLE_NONE ? 0 : value;
}

/* Of all names that have the name below them. */
static unsigned marks_above(const struct namejudge *judge, const uint8_t *name)
{
    unsigned marks = 0;
    while ((name = wirename_parent(name)) != NULL)
        marks |= marks_of(judge, name);
    return marks;
}

bool namejudge_make(struct namejudge *judge, const struct importconf *conf)
{
    *judge = (struct namejudge){.all = conf->include.count == 0};
    for (size_t i = 0; i < conf->exclude.count; i++) {
        const struct importconf_name *name = &conf->exclude.list[i];
        if (!add_mark(judge, name->name, name->below ? EXCLUDE_BELOW : EXCLUDE_SELF))
            return false;
    }
    for (size_t i = 0; i < conf->include.count; i++) {
        const struct importconf_name *name = &conf->include.list[i];
        if (!add_mark(judge, name->name, name->below ? INCLUDE_BELOW : INCLUDE_SELF))
            return false;
        for (const uint8_t *at = name->name; at != NULL; at = wirename_parent(at))
            if (!add_mark(judge, at, INCLUDE_WITHIN))
                return false;
    }
    return true;
}

void namejudge_clear(struct namejudge *judge)
{
    nametable_free(&judge->names);
}

/* bind.9 ships with some of these, others are of RFC 6761, 6762, 7686 and 8375. */
static bool is_nobodys(const uint8_t *name)
{
    static const char *const tops[] = {"\004arpa",  "\003ip6\003int", "\011localhost",
                                       "\005local", "\007invalid",    "\005onion",
                                       "\004bind"};
    if (wirename_labels(name) < 2)
        return true;
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++)
        if (wirename_within(name, (const uint8_t *)tops[i]))
            return true;
    return false;
}

enum zone_skip namejudge_name(const struct namejudge *judge, const uint8_t *name)
{
    if (is_nobodys(name))
        return SKIP_NAME;
    unsigned self = marks_of(judge, name), above = marks_above(judge, name);
    if ((self & EXCLUDE_SELF) || (above & EXCLUDE_BELOW))
        return SKIP_EXCLUDED;
    bool included = judge->all || (self & INCLUDE_SELF) || (above & INCLUDE_BELOW);
    return included ? ZONE_READ : SKIP_EXCLUDED;
}

enum zone_skip namejudge_zone(const struct namejudge *judge, const uint8_t *apex)
{
    if (is_nobodys(apex))
        return SKIP_NAME;
    unsigned self = marks_of(judge, apex), above = marks_above(judge, apex);
    if ((above & EXCLUDE_BELOW) || ((self & EXCLUDE_BELOW) && (self & EXCLUDE_SELF)))
        return SKIP_EXCLUDED;
    bool included =
        judge->all || (self & (INCLUDE_WITHIN | INCLUDE_BELOW)) || (above & INCLUDE_BELOW);
    return included ? ZONE_READ : SKIP_EXCLUDED;
}
