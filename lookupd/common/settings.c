#include "common/settings.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistr.h>

#define PATH_SIZE 256

static void __attribute__((format(printf, 3, 0)))
report_line(struct settings_errors *errors, const char *prefix, const char *format, va_list args)
{
    char text[1024];
    char line[2048];
    vsnprintf(text, sizeof text, format, args);
    snprintf(line, sizeof line, "%s%s", prefix, text);
    for (unsigned char *p = (unsigned char *)line; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
        else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
            p[0] = p[1] = '?';
    }
    errors->count++;
    if (errors->report)
        errors->report(line, errors->context);
}

/* Writes the path of a setting from its parents' names, "listeners[0].allow", to path. */
static void setting_path(const config_setting_t *setting, char path[PATH_SIZE])
{
    char *begin = path + PATH_SIZE - 1; /* from the last part to the first */
    *begin = '\0';
    for (; config_setting_parent(setting) != NULL; setting = config_setting_parent(setting)) {
        char part[PATH_SIZE];
        const char *name = config_setting_name(setting);
        bool first = config_setting_is_root(config_setting_parent(setting));
        if (name != NULL)
            snprintf(part, sizeof part, "%s%s", first ? "" : ".", name);
        else
            snprintf(part, sizeof part, "[%d]", config_setting_index(setting));
        size_t len = strlen(part);
        if (len > (size_t)(begin - path))
            break;
        begin -= len;
        memcpy(begin, part, len);
    }
    memmove(path, begin, strlen(begin) + 1);
}

const char *settings_file(const config_setting_t *setting)
{
    while (config_setting_parent(setting) != NULL)
        setting = config_setting_parent(setting);
    return config_setting_get_hook(setting);
}

unsigned settings_line(const config_setting_t *setting)
{
    /* An item that is no group has its line taken after the token that follows it was read. */
    while (config_setting_name(setting) == NULL && !config_setting_is_group(setting) &&
           config_setting_parent(setting) != NULL)
        setting = config_setting_parent(setting);
    return config_setting_source_line(setting);
}

void settings_error(struct settings_errors *errors, const config_setting_t *setting,
                    const char *format, ...)
{
    char path[PATH_SIZE];
    setting_path(setting, path);
    const char *file = settings_file(setting);
    unsigned line = settings_line(setting);
    char number[16] = "";
    if (line > 0)
        snprintf(number, sizeof number, ":%u", line);
    char prefix[PATH_SIZE + 768];
    snprintf(prefix, sizeof prefix, "%.700s%s: %s%s", file ? file : "(text)", number, path,
             path[0] ? ": " : "");
    va_list args;
    va_start(args, format);
    report_line(errors, prefix, format, args);
    va_end(args);
}

void settings_error_in(struct settings_errors *errors, const char *file, unsigned line,
                       const char *format, ...)
{
    char number[16] = "";
    if (line > 0)
        snprintf(number, sizeof number, ":%u", line);
    char prefix[768];
    snprintf(prefix, sizeof prefix, "%.700s%s: ", file, number);
    va_list args;
    va_start(args, format);
    report_line(errors, prefix, format, args);
    va_end(args);
}

static const char *type_word(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_GROUP:
        return "a group";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "a whole number";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    case CONFIG_TYPE_STRING:
        return "a text";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_ARRAY:
    case CONFIG_TYPE_LIST:
        return "a list";
    default:
        return "nothing";
    }
}

static void *member(const struct setting *setting, void *target)
{
    return (char *)target + setting->offset;
}

static void replace_string(char **string, const char *text, const config_setting_t *setting,
                           struct settings_errors *errors)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        settings_error(errors, setting, "no memory");
        return;
    }
    free(*string);
    *string = copy;
}

static void read_number(const struct setting *entry, const config_setting_t *setting, void *target,
                        struct settings_errors *errors)
{
    bool whole = config_setting_type(setting) == CONFIG_TYPE_INT ||
                 config_setting_type(setting) == CONFIG_TYPE_INT64;
    if (!whole &&
        (entry->type == SETTING_INT || config_setting_type(setting) != CONFIG_TYPE_FLOAT)) {
        settings_error(errors, setting, "must be %s, and is %s",
                       entry->type == SETTING_INT ? "a whole number" : "a number",
                       type_word(setting));
        return;
    }
    double value =
        whole ? (double)config_setting_get_int64(setting) : config_setting_get_float(setting);
    /* Written so that what is no number fails too. */
    if (!(value >= entry->min && value <= entry->max)) {
        settings_error(errors, setting, "must be %.15g to %.15g, and is %.15g", entry->min,
                       entry->max, value);
        return;
    }
    if (entry->type == SETTING_INT)
        *(int *)member(entry, target) = (int)value;
    else
        *(double *)member(entry, target) = value;
}

/* The text of a setting that must be one, or NULL after an error. */
static const char *text_of(const struct setting *entry, const config_setting_t *setting,
                           const char *what, struct settings_errors *errors)
{
    if (config_setting_type(setting) != CONFIG_TYPE_STRING) {
        settings_error(errors, setting, "must be %s, and is %s", what, type_word(setting));
        return NULL;
    }
    const char *text = config_setting_get_string(setting);
    if (text[0] == '\0' && (entry->type != SETTING_STRING || entry->min > 0)) {
        settings_error(errors, setting, "must not be empty");
        return NULL;
    }
    /* The file is, but "\x95" may stand in it. */
    if (u8_check((const uint8_t *)text, strlen(text)) != NULL) {
        settings_error(errors, setting, "an escape in it makes an octet that is not UTF-8");
        return NULL;
    }
    return text;
}

static void read_mode(const struct setting *entry, const config_setting_t *setting, void *target,
                      struct settings_errors *errors)
{
    /* Without quotes 0660 is the decimal number 660. */
    const char *text = text_of(entry, setting, "an octal mode in quotes, such as \"0660\"", errors);
    if (text == NULL)
        return;
    char *end;
    unsigned long mode = strtoul(text, &end, 8);
    if (strspn(text, "01234567") != strlen(text) || strlen(text) < 3 || strlen(text) > 4 ||
        mode > 0777) {
        settings_error(errors, setting,
                       "must be an octal mode of 3 or 4 digits up to \"0777\", and is \"%s\"",
                       text);
        return;
    }
    *(mode_t *)member(entry, target) = (mode_t)mode;
}

static void read_choice(const struct setting *entry, const config_setting_t *setting, void *target,
                        struct settings_errors *errors)
{
    char words[256] = "";
    size_t len = 0;
    for (int i = 0; entry->choices[i] != NULL && len < sizeof words; i++) {
        const char *between = i == 0 ? "" : entry->choices[i + 1] == NULL ? " or " : ", ";
        len += (size_t)snprintf(words + len, sizeof words - len, "%s\"%s\"", between,
                                entry->choices[i]);
    }
    const char *text = text_of(entry, setting, words, errors);
    if (text == NULL)
        return;
    for (int i = 0; entry->choices[i] != NULL; i++) {
        if (strcmp(entry->choices[i], text) == 0) {
            *(int *)member(entry, target) = i;
            return;
        }
    }
    settings_error(errors, setting, "must be %s, and is \"%s\"", words, text);
}

static void read_list(const struct setting *entry, const config_setting_t *setting, void *target,
                      struct settings_errors *errors)
{
    if (!config_setting_is_list(setting) && !config_setting_is_array(setting)) {
        settings_error(errors, setting,
                       "must be a list of texts, such as ( \"a\", \"b\" ), and is %s",
                       type_word(setting));
        return;
    }
    int count = config_setting_length(setting);
    if (count < entry->min || count > entry->max) {
        settings_error(errors, setting, "must have %.15g to %.15g items, and has %d", entry->min,
                       entry->max, count);
        return;
    }
    char **list = calloc((size_t)count + 1, sizeof *list);
    if (list == NULL) {
        settings_error(errors, setting, "no memory");
        return;
    }
    bool good = true;
    for (int i = 0; i < count; i++) {
        const config_setting_t *item = config_setting_get_elem(setting, (unsigned)i);
        const char *text = text_of(entry, item, "a text", errors);
        if (text == NULL || (list[i] = strdup(text)) == NULL)
            good = false;
    }
    char ***place = member(entry, target);
    if (good) {
        settings_list_free(*place);
        *place = list;
        return;
    }
    for (int i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

static void read_one(const struct setting *entry, const config_setting_t *setting, void *target,
                     struct settings_errors *errors)
{
    switch (entry->type) {
    case SETTING_BOOL:
        if (config_setting_type(setting) != CONFIG_TYPE_BOOL)
            settings_error(errors, setting, "must be true or false, and is %s", type_word(setting));
        else
            *(bool *)member(entry, target) = config_setting_get_bool(setting);
        return;
    case SETTING_INT:
    case SETTING_NUMBER:
        read_number(entry, setting, target, errors);
        return;
    case SETTING_STRING: {
        const char *text = text_of(entry, setting, "a text in quotes", errors);
        if (text != NULL)
            replace_string(member(entry, target), text, setting, errors);
        return;
    }
    case SETTING_MODE:
        read_mode(entry, setting, target, errors);
        return;
    case SETTING_CHOICE:
        read_choice(entry, setting, target, errors);
        return;
    case SETTING_LIST:
        read_list(entry, setting, target, errors);
        return;
    }
}

#define NAME_MAX_COMPARED 32

/* Levenshtein's distance, for names short enough to be mistyped; else a large one. */
static size_t name_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > NAME_MAX_COMPARED || b_len > NAME_MAX_COMPARED)
        return SIZE_MAX;
    size_t row[NAME_MAX_COMPARED + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = changed < least ? changed : least;
        }
    }
    return row[b_len];
}

static void consider(const char *unknown, const char *known, const char **best, size_t *distance)
{
    size_t d = name_distance(unknown, known);
    if (d < *distance) {
        *distance = d;
        *best = known;
    }
}

/* Says which setting an unknown one may be meant for, when the two are alike. */
static void report_unknown(const config_setting_t *setting, const struct setting *table,
                           const char *const *also, struct settings_errors *errors)
{
    const char *name = config_setting_name(setting);
    const char *best = NULL;
    size_t distance = strlen(name) > 4 ? 3 : 2;
    for (const struct setting *entry = table; entry->name != NULL; entry++)
        consider(name, entry->name, &best, &distance);
    for (; also != NULL && *also != NULL; also++)
        consider(name, *also, &best, &distance);
    const config_setting_t *parent = config_setting_parent(setting);
    if (best != NULL)
        settings_error(errors, setting, "unknown setting; did you mean \"%s\"?", best);
    else if (config_setting_is_root(parent))
        settings_error(errors, setting, "unknown setting");
    else
        settings_error(errors, setting, "unknown setting of this group");
}

static const struct setting *find_entry(const struct setting *table, const char *name)
{
    for (; table->name != NULL; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static bool list_has(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

void settings_read(const config_setting_t *group, const struct setting *table,
                   const char *const *also, void *target, struct settings_errors *errors)
{
    if (!config_setting_is_group(group)) {
        settings_error(errors, group, "must be a group, such as { %s = …; }, and is %s",
                       table->name, type_word(group));
        return;
    }
    int count = config_setting_length(group);
    for (int i = 0; i < count; i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const struct setting *entry = find_entry(table, config_setting_name(setting));
        if (entry != NULL)
            read_one(entry, setting, target, errors);
        else if (!list_has(also, config_setting_name(setting)))
            report_unknown(setting, table, also, errors);
    }
    for (; table->name != NULL; table++)
        if (table->required && config_setting_get_member(group, table->name) == NULL)
            settings_error(errors, group, "the setting \"%s\" is missing", table->name);
}

void settings_free(const struct setting *table, void *target)
{
    for (; table->name != NULL; table++) {
        if (table->type == SETTING_STRING) {
            char **string = member(table, target);
            free(*string);
            *string = NULL;
        } else if (table->type == SETTING_LIST) {
            char ***list = member(table, target);
            settings_list_free(*list);
            *list = NULL;
        }
    }
}

char **settings_list_copy(const char *const *list)
{
    size_t count = 0;
    while (list[count] != NULL)
        count++;
    char **copy = calloc(count + 1, sizeof *copy);
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        copy[i] = strdup(list[i]);
        if (copy[i] == NULL) {
            settings_list_free(copy);
            return NULL;
        }
    }
    return copy;
}

void settings_list_free(char **list)
{
    if (list == NULL)
        return;
    for (char **item = list; *item != NULL; item++)
        free(*item);
    free(list);
}
