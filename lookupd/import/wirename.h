/*
 * Domain names as DNS has them: labels of any octets, not text. A label can hold a dot, a blank, a
 * NUL or a quote, so nothing here compares texts, and a name becomes text in two ways only: for
 * people, with every odd octet escaped, or as a mail domain or host, when its labels allow it.
 *
 * A "name" below is a pointer to an absolute, uncompressed wire name that wirename_check() has
 * accepted: labels of 1-63 octets, each after its length, ended by an empty one; at most
 * WIRENAME_MAX octets in all (RFC 1035 2.3.4, 3.1). It says itself where it ends. Comparisons are
 * by octet: names are lower-cased (ASCII only, RFC 4343) once, where they are read. Knows no file,
 * needs no memory.
 */
#ifndef LOOKUPD_WIRENAME_H
#define LOOKUPD_WIRENAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRENAME_MAX        255
#define WIRENAME_LABEL_MAX  63
#define WIRENAME_LABELS_MAX 127
/* Of wirename_print(): four octets for each of the name's, and the NUL. */
#define WIRENAME_TEXT_SIZE (4 * WIRENAME_MAX + 1)
/* Of wirename_domain() and wirename_target(): MAILNAME_DOMAIN_MAX and the NUL. */
#define WIRENAME_DOMAIN_SIZE 254

/* The octets that the name at data takes, its final empty label included; 0 when there is none
 * that is well formed and ends within size octets. A compression pointer is not well formed. */
size_t wirename_check(const uint8_t *data, size_t size);

/* The octets that a name takes, 1 (the root) to WIRENAME_MAX. */
size_t wirename_size(const uint8_t *name);
/* The number of labels, without the final empty one: 0 (the root) to WIRENAME_LABELS_MAX. */
size_t wirename_labels(const uint8_t *name);
/* Turns A-Z into a-z in place; length octets stay what they are. */
void wirename_lower(uint8_t *name);

bool wirename_equal(const uint8_t *a, const uint8_t *b);
/*
 * Canonical order (RFC 4034 6.1): by labels from the root on, each as octets, the shorter first. A
 * name comes right before all names below it. Negative, 0 or positive.
 */
int wirename_compare(const uint8_t *a, const uint8_t *b);
/* True when name is the ancestor itself, or any number of labels below it. */
bool wirename_within(const uint8_t *name, const uint8_t *ancestor);
/* True when name is at least one label below the ancestor. */
bool wirename_below(const uint8_t *name, const uint8_t *ancestor);
/* The name without its first label (a pointer into it); NULL for the root. */
const uint8_t *wirename_parent(const uint8_t *name);
/* True when the first label is exactly "*" (RFC 4592 2.1.1). */
bool wirename_is_wildcard(const uint8_t *name);
/* A hash of the octets, for tables; seed is the table's, random, as names are strangers' choice. */
uint64_t wirename_hash(const uint8_t *name, uint64_t seed);

/*
 * Reads a name in master-file text (RFC 1035 5.1: \DDD, \X) as named.conf's zones and settings have
 * it: always absolute, with or without the final dot, "." being the root. Lower-cased. False when
 * it is none; then out is undefined. len excludes any NUL. Writes at most WIRENAME_MAX octets.
 */
bool wirename_parse(const char *text, size_t len, uint8_t *out);

/*
 * The name for logs and reports, without final dot ("." for the root): octets outside 0x21-0x7e as
 * \DDD, and a backslash before what means something in master files (." \ ; @ ( ) $).
 * wirename_parse() reads it back. out has WIRENAME_TEXT_SIZE octets. Returns out.
 */
const char *wirename_print(const uint8_t *name, char *out);

/* Why a name cannot be a mail domain or a host that mail goes to. */
enum wirename_fault {
    WIRENAME_GOOD,
    WIRENAME_SINGLE,     /* the root, or one label */
    WIRENAME_OCTET,      /* other than letters, digits, '-' (and '_' where it is allowed) */
    WIRENAME_HYPHEN,     /* a label begins or ends with '-' */
    WIRENAME_UNDERSCORE, /* valid otherwise: Postfix takes it, RFC 5321 4.1.2 does not */
    WIRENAME_NUMERIC,    /* the last label is a number, as in 192.0.2.1 */
    WIRENAME_LOCALHOST,  /* localhost, or below it */
};

/*
 * The name as a mail domain, respectively as a host that mail may be sent to: a text of letters,
 * digits, '-' and '.', at least two labels. It passes mailname_is_host() and the CHECK constraints
 * of sql/schema.sql, so nothing of it can end smtp(8) or mean anything to SQL, printf or a shell.
 * Domains have no '_' (the tables refuse it), targets may. out has WIRENAME_DOMAIN_SIZE octets and
 * is written for WIRENAME_GOOD only.
 */
enum wirename_fault wirename_domain(const uint8_t *name, char *out);
enum wirename_fault wirename_target(const uint8_t *name, char *out);
/* A constant English text for a fault: "has an octet that no mail domain may have". */
const char *wirename_fault_text(enum wirename_fault fault);

#endif
