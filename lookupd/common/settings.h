/*
 * The mechanism under every configuration file: a table of settings is filled from a libconfig
 * text, and everything that is wrong is reported with file and line, all of it in one run. What the
 * settings of a program are stands in its own table (lookup/conf.c), and nowhere else.
 */
#ifndef LOOKUPD_SETTINGS_H
#define LOOKUPD_SETTINGS_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum setting_type {
    SETTING_BOOL,   /* bool */
    SETTING_INT,    /* int; min..max */
    SETTING_NUMBER, /* double; min..max; an integer is accepted */
    SETTING_STRING, /* char *, owned; empty allowed only where min == 0 */
    SETTING_MODE,   /* mode_t from an octal text, "0660" */
    SETTING_CHOICE, /* int: index of the word in choices */
    SETTING_LIST,   /* char **, NULL-terminated, owned; ( ) and [ ] alike; min..max items */
};

struct setting {
    const char *name; /* within its group */
    enum setting_type type;
    size_t offset; /* of the member in the group's struct */
    double min, max;
    const char *const *choices; /* SETTING_CHOICE: NULL-terminated */
    bool required;
    const char *help; /* one line, for -T: a comment beside the setting */
};

/* Where errors go: collected, so that one run shows them all. */
struct settings_errors {
    size_t count;
    /* Called for each, with a whole line: "lookupd.conf:12: maps.transport: unknown setting
     * "qurey"". */
    void (*report)(const char *line, void *context);
    void *context;
};

/*
 * Reports "FILE:LINE: PATH: text" for a setting; PATH is made from its parents ("listeners[0]").
 * For an item of a list the line is that of the list's beginning (libconfig gives the next
 * token's). settings_error_in() is for what has no setting: "FILE:LINE: text", or "FILE: text" with
 * line 0. Control characters in the line are replaced.
 */
void settings_error(struct settings_errors *errors, const config_setting_t *setting,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));
void settings_error_in(struct settings_errors *errors, const char *file, unsigned line,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The file that a setting stands in, and its line, as settings_error() gives them. */
const char *settings_file(const config_setting_t *setting);
unsigned settings_line(const config_setting_t *setting);

/* A configuration longer than this is no configuration. */
#define SETTINGS_FILE_MAX ((size_t)1024 * 1024)

/* Reads a whole file: a NUL-terminated text for free(), or NULL after an error. */
char *settings_load(const char *file, struct settings_errors *errors);

/*
 * Parses a text into config (which config_init() has prepared and the caller destroys). file is the
 * name for messages; it must live as long as config. False when there is nothing to read settings
 * from; with true errors may have been reported too (numbers that libconfig would cut to 32 bits).
 * What libconfig misreads or dies of is refused before it sees the text: @include (its scanner
 * calls exit() when the name is a folder), control characters, "\x00" in a string, what is not
 * UTF-8.
 */
bool settings_parse(config_t *config, const char *text, const char *file,
                    struct settings_errors *errors);

/*
 * Fills target from a group by a table (ended by name == NULL). Members that the group lacks keep
 * what they have (defaults are set before). Members that are neither in the table nor in also (a
 * NULL-terminated list of names that the caller reads himself; may be NULL) are errors. A string or
 * list that is replaced is freed first.
 */
void settings_read(const config_setting_t *group, const struct setting *table,
                   const char *const *also, void *target, struct settings_errors *errors);

/*
 * Prints each setting of a table as "name = value;", as libconfig reads it back to the same. With
 * help, each has its help before it as a comment, and a string or list that is NULL is named in
 * one.
 */
void settings_print(const struct setting *table, const void *target, unsigned indent, bool help,
                    FILE *out);
/* A text in quotes, escaped; a long one in pieces, the later ones on lines of their own. */
void settings_print_string(const char *text, unsigned indent, FILE *out);

/* Frees what strings and lists of the table own in target. */
void settings_free(const struct setting *table, void *target);

/* A NULL-terminated copy of a list, and its end; settings_list_copy returns NULL without memory. */
char **settings_list_copy(const char *const *list);
void settings_list_free(char **list);

#endif
