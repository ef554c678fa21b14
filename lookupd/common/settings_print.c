/* Settings as libconfig text. */
#include "common/settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Texts longer than this are printed as adjacent pieces, which libconfig puts together. */
#define PIECE_MAX 84

static void print_octet(unsigned char octet, FILE *out)
{
    switch (octet) {
    case '"':
    case '\\':
        fprintf(out, "\\%c", octet);
        return;
    case '\n':
        fputs("\\n", out);
        return;
    case '\r':
        fputs("\\r", out);
        return;
    case '\t':
        fputs("\\t", out);
        return;
    case '\f':
        fputs("\\f", out);
        return;
    default:
        if (octet < 0x20 || octet == 0x7f)
            fprintf(out, "\\x%02X", octet);
        else
            putc(octet, out);
    }
}

/* The length of the next piece: it ends after a blank or a new line. */
static size_t piece_length(const char *text)
{
    size_t best = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] == '\n')
            return i + 1;
        if (i >= PIECE_MAX && best > 0)
            return best;
        if (text[i] == ' ')
            best = i + 1;
    }
    return strlen(text);
}

void settings_print_string(const char *text, unsigned indent, FILE *out)
{
    const char *p = text;
    do {
        if (p != text)
            fprintf(out, "\n%*s", (int)indent, "");
        size_t len = piece_length(p);
        putc('"', out);
        for (size_t i = 0; i < len; i++)
            print_octet((unsigned char)p[i], out);
        putc('"', out);
        p += len;
    } while (*p != '\0');
}

static void print_list(char *const *list, unsigned indent, FILE *out)
{
    fputs("( ", out);
    for (; *list != NULL; list++) {
        settings_print_string(*list, indent, out);
        fputs(list[1] != NULL ? ", " : " ", out);
    }
    fputs(")", out);
}

/* A short text that is read back as the same number, with a point, so that it stays one; with fewer
 * digits, thirty would be 3e+01. */
static void print_number(double value, FILE *out)
{
    char text[64];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fprintf(out, "%s%s", text, strpbrk(text, ".e") != NULL ? "" : ".0");
}

static void print_value(const struct setting *entry, const void *place, unsigned indent, FILE *out)
{
    switch (entry->type) {
    case SETTING_BOOL:
        fputs(*(const bool *)place ? "true" : "false", out);
        return;
    case SETTING_INT:
        fprintf(out, "%d", *(const int *)place);
        return;
    case SETTING_NUMBER:
        print_number(*(const double *)place, out);
        return;
    case SETTING_STRING:
        settings_print_string(*(char *const *)place, indent, out);
        return;
    case SETTING_MODE:
        fprintf(out, "\"0%03o\"", (unsigned)*(const mode_t *)place);
        return;
    case SETTING_CHOICE:
        fprintf(out, "\"%s\"", entry->choices[*(const int *)place]);
        return;
    case SETTING_LIST:
        print_list(*(char **const *)place, indent, out);
        return;
    }
}

void settings_print(const struct setting *table, const void *target, unsigned indent, bool help,
                    FILE *out)
{
    for (; table->name != NULL; table++) {
        const void *place = (const char *)target + table->offset;
        bool unset = (table->type == SETTING_STRING && *(char *const *)place == NULL) ||
                     (table->type == SETTING_LIST && *(char **const *)place == NULL);
        if (help)
            fprintf(out, "%*s# %s\n", (int)indent, "", table->help);
        if (unset) {
            if (help)
                fprintf(out, "%*s# %s is not set\n", (int)indent, "", table->name);
            continue;
        }
        fprintf(out, "%*s%s = ", (int)indent, "", table->name);
        print_value(table, place, indent + 4, out);
        fputs(";\n", out);
    }
}
