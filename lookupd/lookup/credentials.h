/*
 * The option file (my.cnf) with what the database account needs. It is read once by the parent,
 * before root is given up, and kept in memory: workers could not open it.
 */
#ifndef LOOKUPD_CREDENTIALS_H
#define LOOKUPD_CREDENTIALS_H

#include "common/settings.h"

#include <stdbool.h>
#include <stddef.h>

struct credentials {
    unsigned references; /* of one thread: the others' holders must outlive their use */
    char *user;          /* NULL: the setting database.user */
    char *password;      /* NULL: none (unix_socket authentication) */
    char *ssl_ca, *ssl_capath, *ssl_cert, *ssl_key, *ssl_cipher, *ssl_crl, *tls_version;
    bool ssl_verify_server_cert;
    bool ssl; /* TLS is asked for, by any of these options: one over TCP without it must fail */
};

/*
 * Reads the groups [client], [client-server], [client-mariadb] and [lookupd] of a MariaDB option
 * file, quotes, escapes and comments as MariaDB reads them. Refused, each with FILE:LINE or
 * FILE: what is no regular file, a file that group or others can use, one whose owner is neither
 * root nor the process's real or effective user, an option that is not known here, an !include.
 * With file NULL the result is empty. NULL after an error.
 */
struct credentials *credentials_read(const char *file, struct settings_errors *errors);

/* The same of a file that may also belong to this user: whom root becomes after the start, and who
 * reads the file again at a reload. NULL, or a user that does not exist: nobody else. */
struct credentials *credentials_read_for(const char *user, const char *file,
                                         struct settings_errors *errors);

void credentials_hold(struct credentials *credentials);
/* Gives up one reference; with the last, wipes the password before the memory is given back. */
void credentials_free(struct credentials *credentials);

/* The texts, by number, for handing them to another process: NULL after the last. */
char **credentials_text(struct credentials *credentials, size_t number);
bool credentials_equal(struct credentials *a, struct credentials *b);

#endif
