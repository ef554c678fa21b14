/* The option file: what MariaDB's own programs make of it, and what is refused. */
#include "lookup/credentials.h"

#include "settings_report.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct report report;
static char directory[] = "/tmp/test_credentials.XXXXXX";
static char file[64];

static void begin(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(file, sizeof file, "%s/my.cnf", directory);
}

static void end(void)
{
    unlink(file);
    rmdir(directory);
}

TestSuite(credentials, .init = begin, .fini = end);

static void write_options(const char *text, size_t len)
{
    FILE *out = fopen(file, "w");
    cr_assert_not_null(out);
    cr_assert_eq(fwrite(text, 1, len, out), len);
    fclose(out);
    cr_assert_eq(chmod(file, 0600), 0);
}

static struct credentials *read_text(const char *text)
{
    write_options(text, strlen(text));
    report_init(&report);
    return credentials_read(file, &report.errors);
}

/* expected: the errors without the file's name in front. */
static void expect_errors(const char *text, const char *expected)
{
    struct credentials *credentials = read_text(text);
    cr_expect_null(credentials, "%s was taken", text);
    credentials_free(credentials);
    char without[sizeof report.text] = "";
    size_t used = 0;
    for (const char *line = report.text; *line != '\0'; line = strchr(line, '\n') + 1) {
        cr_assert_eq(strncmp(line, file, strlen(file)), 0, "%s", line);
        const char *rest = line + strlen(file);
        used += (size_t)snprintf(without + used, sizeof without - used, "%.*s",
                                 (int)(strchr(line, '\n') + 1 - rest), rest);
    }
    cr_expect_str_eq(without, expected, "%s\ngave: %s", text, without);
}

static void expect_password(const char *line, const char *password)
{
    char text[512];
    snprintf(text, sizeof text, "[client]\n%s\n", line);
    struct credentials *credentials = read_text(text);
    cr_assert_not_null(credentials, "%s: %s", line, report.text);
    if (password == NULL)
        cr_expect_null(credentials->password, "%s: %s", line, credentials->password);
    else
        cr_expect_str_eq(credentials->password, password, "%s: %s", line, credentials->password);
    credentials_free(credentials);
}

Test(credentials, none)
{
    report_init(&report);
    struct credentials *credentials = credentials_read(NULL, &report.errors);
    cr_assert_not_null(credentials);
    cr_expect_null(credentials->user);
    cr_expect_null(credentials->password);
    cr_expect_not(credentials->ssl);
    credentials_free(credentials);
    credentials_free(NULL);
}

Test(credentials, everything)
{
    struct credentials *credentials =
        read_text("# c\n; c\n\n[mysqld]\nport=3306\nwhat-ever\n[client]\r\nuser = lookup\r\n"
                  "password='p'\nssl-ca=/ca\nssl_capath=/capath\nssl-cert=/cert\nssl_key=/key\n"
                  "  ssl-cipher  =  c1:c2  \nssl-crl=/crl\ntls_version=TLSv1.3\n"
                  "ssl-verify-server-cert\ndefault-character-set=latin1\n[mysqldump]\nquick\n"
                  "[lookupd]\nuser=other");
    cr_assert_not_null(credentials, "%s", report.text);
    cr_expect_str_eq(credentials->user, "other");
    cr_expect_str_eq(credentials->password, "p");
    cr_expect_str_eq(credentials->ssl_ca, "/ca");
    cr_expect_str_eq(credentials->ssl_capath, "/capath");
    cr_expect_str_eq(credentials->ssl_cert, "/cert");
    cr_expect_str_eq(credentials->ssl_key, "/key");
    cr_expect_str_eq(credentials->ssl_cipher, "c1:c2");
    cr_expect_str_eq(credentials->ssl_crl, "/crl");
    cr_expect_str_eq(credentials->tls_version, "TLSv1.3");
    cr_expect(credentials->ssl_verify_server_cert);
    cr_expect(credentials->ssl);
    credentials_free(credentials);
}

Test(credentials, passwords)
{
    expect_password("password=simple", "simple");
    expect_password("password = a b ", "a b");
    expect_password("password=\" a b \"", " a b ");
    expect_password("password='a#b'", "a#b");
    expect_password("password=\"a#b\" # comment", "a#b");
    expect_password("password=a#b", "a");
    expect_password("password=a;b", "a;b");
    expect_password("password=a=b", "a=b");
    expect_password("password=a\\sb\\tc\\\\d\\\"e\\'f\\n\\r\\b", "a b\tc\\d\"e'f\n\r\b");
    expect_password("password=a\\qb\\", "a\\qb\\");
    expect_password("password=\"a\\\"#b\"", "a\"#b");
    expect_password("password='it''s'", "it''s");
    expect_password("password=\"half", "\"half");
    expect_password("password=\"", "\"");
    expect_password("password=", NULL);
    expect_password("password=\"\"", NULL);
    expect_password("password=x\npassword=", NULL);
    expect_password("password=m\xc3\xbc", "m\xc3\xbc");
}

Test(credentials, tls_by_any_option)
{
    static const char *const asks[] = {
        "ssl", "ssl=1", "ssl=ON", "ssl-ca=/a", "tls-version=TLSv1.2", "ssl-verify-server-cert=yes"};
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "[client]\n%s\n", asks[i]);
        struct credentials *credentials = read_text(text);
        cr_assert_not_null(credentials, "%s", report.text);
        cr_expect(credentials->ssl, "%s", asks[i]);
        credentials_free(credentials);
    }
    struct credentials *credentials = read_text("[client]\nssl=0\nssl-verify-server-cert=off\n");
    cr_assert_not_null(credentials);
    cr_expect_not(credentials->ssl);
    credentials_free(credentials);
    expect_errors("[client]\nssl=0\nssl-ca=/a\n",
                  ":2: ssl: is off, and other options ask for TLS\n");
    expect_errors("[client]\nssl=maybe\n", ":2: ssl: must be 1 or 0\n");
}

Test(credentials, refused)
{
    expect_errors("[client]\nuser=a\npasword=x\nssl-caa=/x\n",
                  ":3: unknown option \"pasword\"; the known ones are in lookupd.conf(5)\n"
                  ":4: unknown option \"ssl-caa\"; the known ones are in lookupd.conf(5)\n");
    expect_errors("[client]\nhost=db\nport=3306\nsocket=/s\n[lookupd]\ndatabase=x\nprotocol=tcp\n"
                  "connect_timeout=2\n",
                  ":2: host: is not read here; it is the setting database.hosts of lookupd.conf\n"
                  ":3: port: is not read here; it is the setting database.hosts of lookupd.conf\n"
                  ":4: socket: is not read here; it is the setting database.hosts of lookupd.conf\n"
                  ":6: database: is not read here; it is the setting database.name of "
                  "lookupd.conf\n"
                  ":7: protocol: is not read here; it is the setting database.hosts of "
                  "lookupd.conf\n"
                  ":8: connect-timeout: is not read here; it is the setting database.timeout of "
                  "lookupd.conf\n");
    expect_errors("!include /etc/my.cnf\n[client]\n!includedir /etc/my.cnf.d\n",
                  ":1: !include: this file is read alone, without others\n"
                  ":3: !include: this file is read alone, without others\n");
    expect_errors("[client]\npassword\n", ":2: password: needs \"=\" and a value\n");
    expect_errors("user=x\n", ":1: option: stands before the first group, such as [client]\n");
    expect_errors("[client\nuser=x\n", ":1: group: must look like [client]\n"
                                       ":2: option: stands before the first group, such as "
                                       "[client]\n");
    /* A password over two lines: its rest must not be shown. */
    expect_errors(
        "[client]\npassword=abc\ndefsecret\n",
        ":3: unknown option \"(without \"=\")\"; the known ones are in lookupd.conf(5)\n");
}

Test(credentials, the_file)
{
    static const char rights[] = ": holds a password, and others than its owner may use it: "
                                 "chmod 0600\n";
    static const mode_t modes[] = {0640, 0620, 0610, 0604, 0602, 0601, 0666};
    char expected[256];
    write_options("[client]\n", 9);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        cr_assert_eq(chmod(file, modes[i]), 0);
        report_init(&report);
        cr_expect_null(credentials_read(file, &report.errors));
        snprintf(expected, sizeof expected, "%s%s", file, rights);
        cr_expect_str_eq(report.text, expected);
    }
    cr_assert_eq(chmod(file, 0400), 0);
    report_init(&report);
    struct credentials *credentials = credentials_read(file, &report.errors);
    cr_expect_not_null(credentials);
    credentials_free(credentials);

    if (geteuid() == 0) { /* only root can give a file away */
        cr_assert_eq(chown(file, 65534, 65534), 0);
        report_init(&report);
        cr_expect_null(credentials_read(file, &report.errors));
        snprintf(expected, sizeof expected, "%s: must belong to root or to the user who reads it\n",
                 file);
        cr_expect_str_eq(report.text, expected);
        cr_assert_eq(chown(file, 0, 0), 0);
    }

    write_options("[client]\n\0", 10);
    report_init(&report);
    cr_expect_null(credentials_read(file, &report.errors));
    snprintf(expected, sizeof expected, "%s: has a NUL octet in it: this is no text\n", file);
    cr_expect_str_eq(report.text, expected);

    char *large = malloc(65536);
    memset(large, '\n', 65536);
    write_options(large, 65536);
    free(large);
    report_init(&report);
    cr_expect_null(credentials_read(file, &report.errors));
    snprintf(expected, sizeof expected, "%s: is too long for an option file\n", file);
    cr_expect_str_eq(report.text, expected);

    unlink(file);
    report_init(&report);
    cr_expect_null(credentials_read(file, &report.errors));
    snprintf(expected, sizeof expected, "%s: cannot be opened: No such file or directory\n", file);
    cr_expect_str_eq(report.text, expected);

    cr_assert_eq(mkfifo(file, 0600), 0); /* nobody writes to it: must not wait */
    report_init(&report);
    cr_expect_null(credentials_read(file, &report.errors));
    snprintf(expected, sizeof expected, "%s: is not a regular file\n", file);
    cr_expect_str_eq(report.text, expected);
}
