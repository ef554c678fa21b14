#include "server/handover.h"

#include "settings_report.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* A line for each thing that a default hides. */
static const char text[] =
    "workers = 3; user = \"somebody\"; group = \"some\"; deadline = 1.25;\n"
    "recipient_delimiter = \"+-\"; transports = ( \"relay\", \"hold\", \"retry\", \"x\" );\n"
    "database = { hosts = ( \"unix:/a \\\"b\\\\\", \"db:3307\" ); name = \"n\"; user = \"u\";\n"
    "             option_file = \"/etc/my.cnf\"; connections = 7; timeout = 0.5; };\n"
    "limits = { clients = 11; waiting = 12; request_timeout = 1.5; stall = 2.5; };\n"
    "snapshot = { directory = \"/var/lib/x\"; interval = 5; max_age = 6; };\n"
    "listeners = (\n"
    "  { protocol = \"socketmap\"; address = \"unix:/run/x\"; owner = \"o\"; mode = \"0600\"; },\n"
    "\n"
    "  { protocol = \"tcp_table\"; address = \"inet:127.0.0.1:1\"; map = \"own\";\n"
    "    allow = ( \"10.0.0.0/8\", \"::1\" ); } );\n"
    "maps = {\n"
    "  own = { keys = \"exact\"; value = \"route\"; absent = \"notfound\";\n"
    "          query = \"SELECT a, b\\n FROM t WHERE a IN (:key) -- \\\"\xc3\xa9\\\"\"; };\n"
    "  transport = { keys = \"domain\"; query = \"SELECT 1, 2 FROM t WHERE a IN (:domains)\";\n"
    "                all = \"SELECT 1, 2 FROM t\"; };\n"
    "};\n";

struct sides {
    struct maps *from, *to;
    struct credentials *sent, *got;
};

static struct sides hand_over(void)
{
    struct report report;
    report_init(&report);
    struct sides sides = {.sent = credentials_read(NULL, &report.errors)};
    struct conf *conf = conf_parse(text, "/etc/some.conf", &report.errors);
    cr_assert(conf && sides.sent, "%s", report.text);
    sides.from = maps_new(conf, &report.errors);
    cr_assert(sides.from, "%s", report.text);
    char **each;
    for (size_t i = 0; (each = credentials_text(sides.sent, i)) != NULL; i++)
        if (i != 2) /* one that is not there */
            cr_assert_gt(asprintf(each, "secret \n%zu", i), 0);
    sides.sent->ssl = true;

    int fd = handover_make(sides.from, sides.sent);
    cr_assert_geq(fd, 0);
    cr_assert(handover_take(fd, &sides.to, &sides.got));
    maps_release(sides.to);
    credentials_free(sides.got);
    cr_assert(handover_take(fd, &sides.to, &sides.got)); /* by the next one, from the beginning */
    close(fd);
    return sides;
}

static void release(struct sides *sides)
{
    maps_release(sides->from);
    maps_release(sides->to);
    credentials_free(sides->sent);
    credentials_free(sides->got);
}

Test(handover, all_of_a_configuration_arrives)
{
    struct sides sides = hand_over();
    for (int part = 0; part < CONF_PARTS; part++)
        cr_expect_not(conf_part_differs((enum conf_part)part, sides.from->conf, sides.to->conf),
                      "part %d", part);
    cr_expect(credentials_equal(sides.sent, sides.got));
    cr_expect_str_eq(sides.got->password, "secret \n1");
    cr_expect(sides.got->ssl);
    cr_expect_not(sides.got->ssl_verify_server_cert);
    release(&sides);
}

Test(handover, messages_name_the_lines_of_the_file)
{
    struct sides sides = hand_over();
    cr_expect_str_eq(sides.to->conf->file, "/etc/some.conf");
    cr_expect_str_eq(sides.to->conf->listeners[0].where, "/etc/some.conf:8");
    cr_expect_str_eq(sides.to->conf->listeners[1].where, "/etc/some.conf:10");
    cr_expect_str_eq(maps_find(sides.to, "own", 3)->where, "/etc/some.conf:13");
    cr_expect_str_eq(maps_find(sides.to, "transport", 9)->where, "/etc/some.conf:15");
    cr_expect_str_eq(maps_find(sides.to, "relay_domains", 13)->where, "built-in");
    release(&sides);
}

Test(handover, each_difference_is_seen)
{
    struct report report;
    report_init(&report);
    struct conf *a = conf_parse(text, "a", &report.errors);
    const struct {
        const char *from, *to;
        enum conf_part part;
    } changes[] = {
        {"workers = 3", "workers = 4", CONF_GENERAL},
        {"connections = 7", "connections = 8", CONF_DATABASE},
        {"\"0600\"", "\"0601\"", CONF_LISTENERS},
        {"SELECT 1, 2 FROM t\"", "SELECT 1, 2 FROM u\"", CONF_MAPS},
        {"stall = 2.5", "stall = 2.6", CONF_LIMITS},
        {"interval = 5", "interval = 4", CONF_SNAPSHOT},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const char *place = strstr(text, changes[i].from);
        cr_assert(place);
        char *changed;
        cr_assert_gt(asprintf(&changed, "%.*s%s%s", (int)(place - text), text, changes[i].to,
                              place + strlen(changes[i].from)),
                     0);
        struct conf *b = conf_parse(changed, "b", &report.errors);
        cr_assert(b, "%s", report.text);
        for (int part = 0; part < CONF_PARTS; part++)
            cr_expect_eq(conf_part_differs((enum conf_part)part, a, b),
                         (int)changes[i].part == part, "%s: part %d", changes[i].to, part);
        conf_free(b);
        free(changed);
    }
    conf_free(a);
}

Test(handover, nobody_can_change_it)
{
    struct sides sides = hand_over();
    int fd = handover_make(sides.from, sides.sent);
    cr_expect_eq(pwrite(fd, "x", 1, 0), -1);
    cr_expect_eq(errno, EPERM);
    cr_expect_eq(ftruncate(fd, 0), -1);
    close(fd);
    release(&sides);
}

/* What is no handover, or only a part of one, is refused, whatever its lengths claim. */
Test(handover, what_is_not_whole_is_refused)
{
    struct sides sides = hand_over();
    struct maps *maps;
    struct credentials *credentials;
    int fd = handover_make(sides.from, sides.sent);
    char octets[32768];
    ssize_t len = pread(fd, octets, sizeof octets, 0);
    cr_assert(len > 100 && len < (ssize_t)sizeof octets);
    for (ssize_t cut = 1; cut < len; cut += cut < len - 200 ? 97 : 1) {
        int part = memfd_create("part", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        cr_assert_eq(write(part, octets, (size_t)cut), cut);
        cr_expect_not(handover_take(part, &maps, &credentials), "it can still be changed");
        cr_assert_eq(
            fcntl(part, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
        cr_expect_not(handover_take(part, &maps, &credentials), "cut after %zd", cut);
        close(part);
    }
    close(fd);
    release(&sides);
}
