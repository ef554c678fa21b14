/* The mail rules. Each rule has a case of its name in the table; the real zones follow. */
#include "mail_site.h"

#include <arpa/inet.h>

#define OURS "us.net.test."
/* The usual zone: mail first, then us. */
#define BACKUP "@ MX 10 mail\n@ MX 20 " OURS "\nmail A 192.0.2.25\n"
#define HOSTS  "relay_form = \"hosts\";"

static const struct mail_case {
    const char *rule; /* the word of a reason, and what is special */
    const char *settings;
    const char *zones;
    const char *verdicts; /* "NAME REASON [ROUTE]" */
} cases[] = {
    /* -- RFC 5321 5.1: who is a backup MX, and for whom -- */
    {"better-mx", "", "= d.test\n" BACKUP, "d.test better-mx relay:\n"},
    {"better-mx: letter case means nothing", "",
     "= D.Test\n@ MX 10 MAIL.d.TEST.\n@ MX 20 US.Net.Test.\nMail A 192.0.2.25\n",
     "d.test better-mx relay:\n"},
    {"better-mx: of two records of ours the better counts",
     "my_names = ( \"a.us.test\", \"b.us.test\" );",
     "= d.test\n@ MX 10 b.us.test.\n@ MX 20 mail.else.test.\n@ MX 30 a.us.test.\n"
     "= e.test\n@ MX 5 mail.else.test.\n@ MX 10 b.us.test.\n@ MX 30 a.us.test.\n",
     "d.test only-us\ne.test better-mx relay:\n"},
    {"better-mx: known by an address", "my_addresses = ( \"198.51.100.9\", \"2001:db8::9\" );",
     "= d.test\n@ MX 10 mail.else.test.\n@ MX 20 backup\nbackup A 198.51.100.9\n"
     "= e.test\n@ MX 10 mail.else.test.\n@ MX 20 backup\nbackup AAAA 2001:db8::9\n"
     "= f.test\n@ MX 10 mail.else.test.\n@ MX 20 backup.d.test.\n"
     "= g.test\n@ MX 10 mail.else.test.\n@ MX 20 alias\nalias CNAME backup.d.test.\n"
     "= h.test\n@ MX 10 mail.else.test.\n@ MX 20 other\nother A 198.51.100.8\n",
     "d.test better-mx relay:\ne.test better-mx relay:\nf.test better-mx relay:\n"
     "g.test better-mx relay:\nh.test not-ours\n"},
    {"better-mx: below the zone's name", "",
     "= d.test\nsub MX 10 mail\nsub MX 20 " OURS "\nmail A 192.0.2.1\n",
     "d.test no-mx\nsub.d.test better-mx relay:\n"},
    {"better-mx: an MX target outside of all zones", "",
     "= d.test\n@ MX 10 mail.else.test.\n@ MX 20 " OURS "\n", "d.test better-mx relay:\n"},
    {"better-mx: a target below a cut is not ours to judge", "",
     "= d.test\n@ MX 10 mail.sub\n@ MX 20 " OURS "\nsub NS ns.else.test.\n",
     "d.test better-mx relay:\n"},
    {"better-mx: a target by a wildcard's address", HOSTS,
     "= d.test\n@ MX 10 mail\n@ MX 20 " OURS "\n* A 192.0.2.1\n",
     "d.test better-mx relay:[mail.d.test]:25\n"},
    {"no-mx: an implicit MX goes to the host itself", "", "= d.test\n@ A 192.0.2.1\n",
     "d.test no-mx\n"},
    {"null-mx", "", "= d.test\n@ MX 0 .\n", "d.test null-mx\n"},
    {"null-mx: beside others it is ignored", "", "= d.test\n@ MX 0 .\n" BACKUP,
     "d.test better-mx relay:\n"},
    {"null-mx: beside ours alone it is no better one", "", "= d.test\n@ MX 0 .\n@ MX 20 " OURS "\n",
     "d.test only-us\n"},
    {"not-ours", "", "= d.test\n@ MX 10 mail\nmail A 192.0.2.1\n", "d.test not-ours\n"},
    {"no-zone: in no list, for nothing asks about such names", "", "= d.test\n", "d.test no-mx\n"},
    {"only-us", "", "= d.test\n@ MX 10 " OURS "\n", "d.test only-us\n"},
    {"only-us: as good as another, for two backups would play ball", "",
     "= d.test\n@ MX 10 mail\n@ MX 10 " OURS "\nmail A 192.0.2.1\n", "d.test only-us\n"},
    {"only-us: the others are worse", "",
     "= d.test\n@ MX 5 " OURS "\n@ MX 10 mail\nmail A 192.0.2.1\n", "d.test only-us\n"},

    /* -- targets -- */
    {"bad-targets: all better ones are malformed", "",
     "= d.test\n@ MX 1 192.0.2.1.\n@ MX 2 localhost.\n@ MX 3 a.localhost.\n@ MX 4 sp\\032ace\n"
     "@ MX 5 single.\n@ MX 6 evil]:25,[192.0.2.1.\n@ MX 20 " OURS "\n",
     "d.test bad-targets\n"},
    {"bad-targets: dangling", "", "= d.test\n@ MX 10 mail\n@ MX 20 " OURS "\n",
     "d.test bad-targets\n"},
    {"bad-targets: dangling, in another zone of ours", "",
     "= d.test\n@ MX 10 mail.e.test.\n@ MX 20 " OURS "\n= e.test\nmail TXT x\n",
     "d.test bad-targets\ne.test no-mx\n"},
    {"bad-targets: a name that exists hides the wildcard", "",
     "= d.test\n@ MX 10 a.mail\n@ MX 20 " OURS "\n* A 192.0.2.1\nb.mail A 192.0.2.1\n",
     "d.test bad-targets\n"},
    {"bad-targets: a CNAME that leads in a circle", "",
     "= d.test\n@ MX 10 mail\n@ MX 20 " OURS "\nmail CNAME liam\nliam CNAME mail\n",
     "d.test bad-targets\n"},
    {"bad-targets: forbidden addresses", "",
     "= a.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 127.0.0.1\n"
     "= b.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 10.1.1.1\n"
     "= c.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 172.31.255.255\n"
     "= d.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 192.168.0.1\n"
     "= e.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 169.254.1.1\n"
     "= f.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 224.0.0.1\n"
     "= g.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 0.0.0.0\n"
     "= h.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 255.255.255.255\n"
     "= i.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 100.127.0.1\n"
     "= j.test\n@ MX 1 m\n@ MX 9 " OURS "\nm AAAA ::1\n"
     "= k.test\n@ MX 1 m\n@ MX 9 " OURS "\nm AAAA fe80::1\n"
     "= l.test\n@ MX 1 m\n@ MX 9 " OURS "\nm AAAA fd00::1\n"
     "= m.test\n@ MX 1 m\n@ MX 9 " OURS "\nm AAAA ff02::1\n"
     "= n.test\n@ MX 1 m\n@ MX 9 " OURS "\nm AAAA ::\n"
     "= o.test\n@ MX 1 m\n@ MX 9 " OURS "\nm AAAA ::ffff:10.0.0.1\n"
     "= p.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 192.0.2.1\nm A 10.0.0.1\n",
     "a.test bad-targets\nb.test bad-targets\nc.test bad-targets\nd.test bad-targets\n"
     "e.test bad-targets\nf.test bad-targets\ng.test bad-targets\nh.test bad-targets\n"
     "i.test bad-targets\nj.test bad-targets\nk.test bad-targets\nl.test bad-targets\n"
     "m.test bad-targets\nn.test bad-targets\no.test bad-targets\np.test bad-targets\n"},
    {"better-mx: addresses just outside of the forbidden networks", "",
     "= a.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 11.0.0.0\nm A 172.32.0.0\nm A 172.15.255.255\n"
     "m A 192.169.0.0\nm A 100.128.0.0\nm A 100.63.0.0\nm A 223.255.255.255\nm A 126.0.0.1\n"
     "m A 128.0.0.1\nm A 1.0.0.0\nm AAAA 2001:db8::1\n",
     "a.test better-mx relay:\n"},
    {"better-mx: allow_private", "allow_private = true;",
     "= a.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 10.1.1.1\nm A 127.0.0.2\nm AAAA fd00::1\n"
     "= f.test\n@ MX 1 m\n@ MX 9 " OURS "\nm A 224.0.0.1\n"
     "= g.test\n@ MX 1 m\n@ MX 9 " OURS "\nm AAAA ::\n",
     "a.test better-mx relay:\nf.test bad-targets\ng.test bad-targets\n"},
    {"better-mx: one good target is enough", "",
     "= d.test\n@ MX 1 192.0.2.1.\n@ MX 2 gone\n@ MX 3 mail\n@ MX 9 " OURS "\nmail A 192.0.2.1\n",
     "d.test better-mx relay:\n"},

    /* -- the form "hosts" -- */
    {"better-mx: hosts, by preference and then by name, without ourselves", HOSTS,
     "= d.test\n@ MX 20 c\n@ MX 10 b\n@ MX 10 a\n@ MX 30 " OURS "\n@ MX 40 d\n"
     "a A 192.0.2.1\nb A 192.0.2.2\nc AAAA 2001:db8::3\nd A 192.0.2.4\n",
     "d.test better-mx relay:[a.d.test]:25, [b.d.test]:25, [c.d.test]:25\n"},
    {"better-mx: hosts, five at most, each once", HOSTS,
     "= d.test\n@ MX 1 a\n@ MX 2 b\n@ MX 3 a\n@ MX 4 c\n@ MX 5 d\n@ MX 6 e\n@ MX 7 f\n@ MX 9 " OURS
     "\n"
     "a A 192.0.2.1\nb A 192.0.2.2\nc A 192.0.2.3\nd A 192.0.2.4\ne A 192.0.2.5\nf A 192.0.2.6\n",
     "d.test better-mx relay:[a.d.test]:25, [b.d.test]:25, [c.d.test]:25, [d.d.test]:25, "
     "[e.d.test]:25\n"},
    {"better-mx: hosts, only those that are vouched for",
     HOSTS "allow_hosts = ( \"Mx.Known.test\" );",
     "= d.test\n@ MX 1 mx.strange.test.\n@ MX 2 mx.known.test.\n@ MX 3 gone\n@ MX 4 mail\n@ MX "
     "9 " OURS "\nmail A 192.0.2.1\n",
     "d.test better-mx relay:[mx.known.test]:25, [mail.d.test]:25\n"},
    {"no-safe-host", HOSTS, "= d.test\n@ MX 1 mx.strange.test.\n@ MX 9 " OURS "\n",
     "d.test no-safe-host\n"},

    /* -- what a zone may say -- */
    {"at-cut", "", "= d.test\nsub NS ns.else.test.\nsub MX 1 mail.else.test.\nsub MX 9 " OURS "\n",
     "d.test no-mx\nsub.d.test at-cut\n"},
    {"below-cut", "",
     "= d.test\nsub NS ns.else.test.\nx.sub MX 1 mail.else.test.\nx.sub MX 9 " OURS "\n",
     "d.test no-mx\nx.sub.d.test below-cut\n"},
    {"below-dname", "",
     "= d.test\nsub DNAME else.test.\nx.sub MX 1 mail.else.test.\nx.sub MX 9 " OURS "\n",
     "d.test no-mx\nx.sub.d.test below-dname\n"},
    {"better-mx: at a DNAME's own name", "",
     "= d.test\nsub DNAME else.test.\nsub MX 1 mail.else.test.\nsub MX 9 " OURS "\n",
     "d.test no-mx\nsub.d.test better-mx relay:\n"},
    {"deeper-zone", "",
     "= d.test\nx.sub MX 1 mail.else.test.\nx.sub MX 9 " OURS "\n= sub.d.test\n@ TXT x\n",
     "d.test no-mx\nsub.d.test no-mx\nx.sub.d.test deeper-zone\n"},
    {"deeper-zone: which decides", "",
     "= sub.d.test\n@ MX 10 " OURS
     "\n= d.test\nsub NS ns.else.test.\nsub MX 1 mail.else.test.\nsub MX 9 " OURS "\n",
     "d.test no-mx\nsub.d.test only-us\n"},
    {"deeper-zone: one that this server is primary of", "my_addresses = ( \"198.51.100.9\" );",
     "= d.test\nx.sub MX 1 mail.else.test.\nx.sub MX 9 backup\nbackup A 198.51.100.9\n"
     "sub MX 1 mail.else.test.\nsub MX 9 backup\ny MX 1 mail.sub\ny MX 9 backup\n"
     "= sub.d.test primary\n",
     "d.test no-mx\nsub.d.test deeper-zone\nx.sub.d.test deeper-zone\ny.d.test better-mx relay:\n"},
    {"zone-unread: a deeper one", "",
     "= d.test\nx.sub MX 1 mail.else.test.\nx.sub MX 9 " OURS "\n= sub.d.test unread\n",
     "d.test no-mx\nsub.d.test zone-unread\nx.sub.d.test zone-unread\n"},
    {"invalid-name: counted, and in no list", "",
     "= d.test\na_b MX 1 mail\na_b MX 9 " OURS "\n-a MX 1 mail\n-a MX 9 " OURS
     "\na\\.b MX 1 mail\na\\.b MX 9 " OURS "\nn\\000l MX 9 " OURS "\nx.* MX 9 " OURS
     "\n\\252 MX 9 " OURS "\n*a MX 9 " OURS "\nmail A 192.0.2.1\n",
     "d.test no-mx\n"},

    /* -- wildcards -- */
    {"wildcard-ignored", "", "= d.test\n* MX 1 mail.else.test.\n* MX 9 " OURS "\n",
     ".d.test wildcard-ignored\nd.test no-mx\n"},
    {"wildcard", "wildcards = true;", "= d.test\n* MX 1 mail.else.test.\n* MX 9 " OURS "\n",
     ".d.test wildcard relay:\nd.test no-mx\n"},
    {"not-ours: a wildcard", "wildcards = true;", "= d.test\n* MX 1 mail.else.test.\n",
     ".d.test not-ours\nd.test no-mx\n"},
    {"wildcard: at the zone's name it is no sub-domain", "wildcards = true; subdomains = false;",
     "= d.test\n* MX 1 mail.else.test.\n* MX 9 " OURS "\n*.x MX 1 mail.else.test.\n*.x MX 9 " OURS
     "\n",
     ".d.test wildcard relay:\n.x.d.test subdomain-ignored\nd.test no-mx\n"},
    {"wildcard: a CNAME", "wildcards = true;", "= d.test\n" BACKUP "*.web CNAME d.test.\n",
     ".web.d.test wildcard relay:\nd.test better-mx relay:\n"},

    /* -- CNAME -- */
    {"cname", "", "= d.test\n" BACKUP "www CNAME @\n",
     "d.test better-mx relay:\nwww.d.test cname relay:\n"},
    {"cname: to another zone, with its hosts", HOSTS,
     "= a.test\nx CNAME y\ny CNAME d.test.\n= d.test\n" BACKUP,
     "a.test no-mx\nd.test better-mx relay:[mail.d.test]:25\n"
     "x.a.test cname relay:[mail.d.test]:25\ny.a.test cname relay:[mail.d.test]:25\n"},
    {"cname: eight steps", "",
     "= d.test\n" BACKUP "a1 CNAME @\na2 CNAME a1\na3 CNAME a2\na4 CNAME a3\na5 CNAME a4\na6 CNAME "
     "a5\na7 CNAME a6\na8 CNAME a7\n"
     "a9 CNAME a8\n",
     "a1.d.test cname relay:\na2.d.test cname relay:\na3.d.test cname relay:\na4.d.test cname "
     "relay:\n"
     "a5.d.test cname relay:\na6.d.test cname relay:\na7.d.test cname relay:\na8.d.test cname "
     "relay:\n"
     "d.test better-mx relay:\n"},
    {"cname-loop: in no list", "", "= d.test\na CNAME b\nb CNAME a\nc CNAME c\n", "d.test no-mx\n"},
    {"cname-out: in no list", "",
     "= d.test\na CNAME www.else.test.\nb CNAME e.test.\nc CNAME gone\n= e.test\n@ MX 1 " OURS "\n",
     "d.test no-mx\ne.test only-us\n"},
    {"cname-out: the setting cname_aliases", "cname_aliases = false;",
     "= d.test\n" BACKUP "www CNAME @\n", "d.test better-mx relay:\n"},
    {"zone-unread: where a CNAME leads", "", "= d.test\nx CNAME e.test.\n= e.test unread\n",
     "d.test no-mx\ne.test zone-unread\nx.d.test zone-unread\n"},
    {"bad-targets: where a CNAME leads", "",
     "= d.test\nx CNAME e.test.\n= e.test\n@ MX 1 gone\n@ MX 9 " OURS "\n",
     "d.test no-mx\ne.test bad-targets\nx.d.test bad-targets\n"},

    /* -- settings -- */
    {"subdomain-ignored", "subdomains = false;",
     "= d.test\n" BACKUP "sub MX 1 mail\nsub MX 9 " OURS "\nwww CNAME @\n",
     "d.test better-mx relay:\nsub.d.test subdomain-ignored\n"},
    {"excluded", "exclude = ( \"d.test\", \".e.test\" );",
     "= d.test\n" BACKUP "sub MX 1 mail\nsub MX 9 " OURS "\n= e.test\n" BACKUP
     "sub MX 1 mail\nsub MX 9 " OURS "\n",
     "d.test excluded\ne.test better-mx relay:\nsub.d.test better-mx relay:\nsub.e.test "
     "excluded\n"},
    {"excluded: not included",
     "include = ( \"d.test\", \".e.test\" ); exclude = ( \"not.e.test\" );",
     "= d.test\n" BACKUP "sub MX 1 mail\nsub MX 9 " OURS "\n= e.test\n" BACKUP
     "sub MX 1 mail\nsub MX 9 " OURS "\nnot MX 1 mail\nnot MX 9 " OURS "\n",
     "d.test better-mx relay:\ne.test excluded\nnot.e.test excluded\nsub.d.test excluded\n"
     "sub.e.test better-mx relay:\n"},

    /* -- what is not known -- */
    {"zone-unread", "", "= d.test unread\n", "d.test zone-unread\n"},
    {"zone-unread: a target there could be this host", "my_addresses = ( \"198.51.100.9\" );",
     "= d.test\n@ MX 1 mail.else.test.\n@ MX 9 backup.e.test.\n= e.test unread\n",
     "d.test zone-unread\ne.test zone-unread\n"},
    {"zone-unread: a better target there could be this host",
     "my_names = ( \"us.net.test\" ); my_addresses = ( \"198.51.100.9\" );",
     "= d.test\n@ MX 1 backup.e.test.\n@ MX 9 " OURS "\n= e.test unread\n",
     "d.test zone-unread\ne.test zone-unread\n"},
    {"zone-unread: a target there could be a CNAME to this host", "",
     "= d.test\n@ MX 1 mail.else.test.\n@ MX 9 backup.e.test.\n= e.test unread\n",
     "d.test zone-unread\ne.test zone-unread\n"},
    {"not-ours: the zone that is not read has none of the targets", "",
     "= d.test\n@ MX 1 mail.else.test.\n= e.test unread\n",
     "d.test not-ours\ne.test zone-unread\n"},
    {"zone-unread: a catalog, and what is delegated is perhaps a member's", "",
     "= d.test\nsub NS ns.else.test.\nsub MX 1 mail.else.test.\nx.sub MX 1 mail.else.test.\n"
     "www CNAME y.sub\n= catalog unread\n",
     "d.test no-mx\nsub.d.test zone-unread\nwww.d.test zone-unread\nx.sub.d.test zone-unread\n"},
    {"better-mx: mail goes to a host of a zone that is not read", "",
     "= d.test\n@ MX 1 mail.e.test.\n@ MX 9 " OURS "\n= e.test unread\n",
     "d.test better-mx relay:\ne.test zone-unread\n"},
    {"zone-unread: a host there can perhaps be vouched for", HOSTS,
     "= d.test\n@ MX 1 mail\n@ MX 2 mail.e.test.\n@ MX 9 " OURS
     "\nmail A 192.0.2.1\n= e.test unread\n",
     "d.test zone-unread\ne.test zone-unread\n"},
    {"zone-unread: a catalog, and addresses of who knows where",
     "my_addresses = ( \"198.51.100.9\" );",
     "= d.test\n@ MX 1 mail.else.test.\n@ MX 9 backup.else.test.\n= catalog unread\n",
     "d.test zone-unread\n"},
    {"too-many: names with MX records", "max_names = 2;",
     "= d.test\n@ MX 9 " OURS "\na MX 9 " OURS "\nb MX 9 " OURS "\n= e.test\n@ MX 9 " OURS
     "\na MX 9 " OURS "\n",
     "a.e.test only-us\nd.test too-many\ne.test only-us\n"},
    {"too-many: aliases", "max_names = 2;",
     "= d.test\n" BACKUP "a CNAME @\nb CNAME @\nc CNAME d.test.\n= e.test\n" BACKUP
     "b CNAME d.test.\n"
     "= f.test\n" BACKUP "a CNAME @\nb CNAME www.else.test.\nc CNAME www.else.test.\n",
     "a.d.test too-many\na.f.test cname relay:\nb.d.test too-many\nb.e.test zone-unread\n"
     "c.d.test too-many\nd.test too-many\ne.test better-mx relay:\nf.test better-mx relay:\n"},

    /* -- views -- */
    {"better-mx: the first view decides", HOSTS,
     "= d.test view 2\n@ MX 1 b\n@ MX 9 " OURS
     "\nb A 192.0.2.2\n= d.test view 1\n@ MX 1 a\n@ MX 9 " OURS
     "\na A 192.0.2.1\n= e.test view 2\n@ MX 1 b.d.test.\n@ MX 9 " OURS "\n",
     "d.test better-mx relay:[a.d.test]:25\ne.test better-mx relay:[b.d.test]:25\n"},
    {"only-us: the first view decides, whatever it says", "",
     "= d.test view 1\n@ MX 1 " OURS "\n= d.test view 2\n" BACKUP, "d.test only-us\n"},
    {"better-mx: a view that only delegates does not decide", "",
     "= d.test view 1\nsub NS ns.else.test.\nsub MX 1 " OURS "\n= sub.d.test view 2\n" BACKUP,
     "d.test no-mx\nsub.d.test better-mx relay:\n"},
    {"zone-unread: in an earlier view", "",
     "= d.test view 1 unread\n= d.test view 2\n" BACKUP "sub MX 1 mail\nsub MX 9 " OURS "\n",
     "d.test zone-unread\nsub.d.test zone-unread\n"},
    {"better-mx: a later view that is not read changes nothing", "",
     "= d.test view 1\n" BACKUP "= d.test view 2 unread\n", "d.test better-mx relay:\n"},

    /* -- hints -- */
    {"hint", "hint_relays = ( \"hq\", \"dc\" );",
     "= d.test\n" BACKUP "@ TXT \"v=lookupd1 relay=hq\"\nsub MX 1 mail\nsub MX 9 " OURS
     "\nno MX 1 mail\nwww CNAME @\n"
     "only MX 1 " OURS "\n= e.test\n@ MX 1 " OURS "\n_lookupd TXT \"v=lookupd1\" \" relay=dc\"\n",
     "d.test hint @hq\ne.test hint @dc\nno.d.test not-ours\nonly.d.test hint @hq\nsub.d.test hint "
     "@hq\n"
     "www.d.test cname @hq\n"},
    {"hint: a zone without MX records", "hint_relays = ( \"hq\" );",
     "= d.test\n@ TXT \"v=lookupd1 relay=hq\"\n", "d.test hint @hq\n"},
    {"hint: no better MX need be good", "hint_relays = ( \"hq\" );" HOSTS,
     "= d.test\n@ TXT \"v=lookupd1 relay=hq\"\na MX 1 gone\na MX 9 " OURS
     "\nb MX 1 mail.else.test.\nb MX 9 " OURS "\nc MX 1 mail.else.test.\n",
     "a.d.test hint @hq\nb.d.test hint @hq\nc.d.test not-ours\nd.test hint @hq\n"},
    {"null-mx: stronger than a hint", "hint_relays = ( \"hq\" );",
     "= d.test\n@ MX 0 .\n@ TXT \"v=lookupd1 relay=hq\"\n", "d.test null-mx\n"},
    {"hint: off by default", "", "= d.test\n@ MX 1 " OURS "\n@ TXT \"v=lookupd1 relay=hq\"\n",
     "d.test only-us\n"},
    {"hint: refused, for nobody allows it, or there are two", "hint_relays = ( \"hq\", \"dc\" );",
     "= a.test\n" BACKUP "@ TXT \"v=lookupd1 relay=evil\"\n= b.test\n" BACKUP
     "@ TXT \"v=lookupd1 relay=hq\"\n@ TXT \"v=lookupd1 relay=dc\"\n= c.test\n" BACKUP
     "@ TXT \"v=lookupd1\"\n"
     "= d.test\n" BACKUP "@ TXT \"v=lookupd1 relay=[evil.test]:25\"\n= e.test\n" BACKUP
     "@ TXT \"v=lookupd12 relay=hq\"\n",
     "a.test better-mx relay:\nb.test better-mx relay:\nc.test better-mx relay:\nd.test better-mx "
     "relay:\n"
     "e.test better-mx relay:\n"},
    {"hint-no", "hint_relays = ( \"hq\" );",
     "= d.test\n" BACKUP "_lookupd TXT \"v=lookupd1 relay=no\"\nsub MX 1 mail\nsub MX 9 " OURS "\n",
     "d.test hint-no\nsub.d.test hint-no\n"},

    /* -- mode "all" -- */
    {"all: the zone's MX", "mode = \"all\";",
     "= a.test\n@ MX 1 mail.else.test.\n= b.test\n" BACKUP
     "= c.test\n@ A 192.0.2.1\n= d.test\n@ TXT x\n"
     "= e.test\n@ MX 0 .\n= f.test\n@ MX 1 " OURS
     "\n= g.test\n@ MX 1 gone\n= h.test unread\n= i.test\n@ A 10.0.0.1\n",
     "a.test all relay:\nb.test all relay:\nc.test all relay:\nd.test no-mx\ne.test "
     "null-mx\nf.test only-us\n"
     "g.test bad-targets\nh.test zone-unread\ni.test bad-targets\n"},
    {"all: names below as in mode mx", "mode = \"all\";",
     "= a.test\n@ MX 1 mail.else.test.\nx MX 1 mail.else.test.\ny MX 1 mail.else.test.\ny MX "
     "9 " OURS "\nz CNAME @\n",
     "a.test all relay:\nx.a.test not-ours\ny.a.test better-mx relay:\nz.a.test cname relay:\n"},
    {"all: hosts", "mode = \"all\"; " HOSTS,
     "= a.test\n@ MX 2 b\n@ MX 1 a\na A 192.0.2.1\nb A 192.0.2.1\n= b.test\n@ A 192.0.2.1\n= "
     "c.test\n@ MX 1 mx.else.test.\n",
     "a.test all relay:[a.a.test]:25, [b.a.test]:25\nb.test all relay:[b.test]:25\nc.test "
     "no-safe-host\n"},
    {"all: primaries, the first that is no private address",
     "mode = \"all\"; relay = \"primaries\";", "= a.test\n@ TXT x\n= b.test\n@ MX 0 .\n",
     "a.test all relay:[2001::7]:25\nb.test null-mx\n"},
    {"all: primaries, private ones allowed",
     "mode = \"all\"; relay = \"primaries\"; allow_private = true;", "= a.test\n@ TXT x\n",
     "a.test all relay:[10.0.0.1]:25\n"},
    {"no-safe-host: primaries, and all are ours",
     "mode = \"all\"; relay = \"primaries\"; my_addresses = ( \"2001::7\" );",
     "= a.test\n@ TXT x\n", "a.test no-safe-host\n"},
    {"all: mail.%d", "mode = \"all\"; relay = \"mail.%d\";",
     "= a.test\nmail A 192.0.2.1\n= b.test\n@ TXT x\n= c.test\nmail CNAME us.net.test.\n= "
     "d.test\nmail NS ns.else.test.\n"
     "= e.test\nmail A 10.0.0.1\n= f.test\n@ TXT x\n= mail.f.test unread\n",
     "a.test all relay:[mail.a.test]:25\nb.test bad-targets\nc.test only-us\nd.test all "
     "relay:[mail.d.test]:25\n"
     "e.test bad-targets\nf.test zone-unread\nmail.f.test zone-unread\n"},
    {"all: a route for all", "mode = \"all\"; relay = \"smtp:[10.0.0.1]:25\";",
     "= a.test\n@ TXT x\nsub MX 1 " OURS "\nnot MX 1 mail.else.test.\n= b.test\n@ MX 0 .\n",
     "a.test all smtp:[10.0.0.1]:25\nb.test null-mx\nnot.a.test not-ours\nsub.a.test all "
     "smtp:[10.0.0.1]:25\n"},
};

Test(mailrules, table)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mail_site site;
        char text[8000] = "";
        size_t count;
        mail_site_begin(&site, cases[i].settings, cases[i].zones);
        const struct verdict *list = mailrules_verdicts(site.rules, &count);
        for (size_t v = 0; v < count; v++) {
            mail_site_print(&list[v], text, sizeof text);
            cr_expect_eq(list[v].kind, verdict_reason_kind(list[v].reason));
            cr_expect_eq(list[v].kind == VERDICT_RELAY,
                         list[v].route != NULL || list[v].relay != NULL);
            struct verdict found = mailrules_find(site.rules, list[v].name);
            cr_expect_eq(found.reason, list[v].reason);
        }
        cr_expect_str_eq(text, cases[i].verdicts, "%s:\n%s", cases[i].rule, text);
        mail_site_end(&site);
    }
}

/* So that no rule is without a case: the reason's word begins the case's name, and the case has it
 * among its verdicts, or says that no list has it. */
Test(mailrules, every_rule_has_a_case)
{
    for (int reason = 0; reason < RULE_COUNT; reason++) {
        const char *word = verdict_reason_word((enum verdict_reason)reason);
        bool found = false;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            size_t len = strcspn(cases[i].rule, ":");
            found =
                found || (strlen(word) == len && memcmp(cases[i].rule, word, len) == 0 &&
                          (strstr(cases[i].verdicts, word) || strstr(cases[i].rule, "in no list")));
        }
        cr_expect(found, "%s has no case", word);
        cr_expect_gt(strlen(verdict_reason_text((enum verdict_reason)reason)), 10);
    }
}

/* ---- beside the table ---- */

static void expect_find(const struct mail_site *site, const char *name, const char *expected)
{
    struct verdict verdict = mailrules_find(site->rules, name);
    cr_expect_str_eq(verdict_reason_word(verdict.reason), expected, "%s: %s", name,
                     verdict_reason_word(verdict.reason));
    cr_expect_eq(verdict.kind, verdict_reason_kind(verdict.reason));
}

/* Named has what the journal says, and nobody knows what that is. */
Test(mailrules, without_its_journal_a_zone_says_what_is_and_not_what_is_not)
{
    struct mail_site site;
    char text[1000] = "";
    size_t count;
    mail_site_begin(&site,
                    "my_names = ( \"us.net.test\" ); my_addresses = ( \"192.0.2.9\" );"
                    "exclude = ( \"ex.b.test\" );",
                    "= a.test behind\n" BACKUP "sub MX 10 mail\nout CNAME www.else.test.\n"
                    "* MX 1 mail\n* MX 9 " OURS "\n"
                    "= b.test behind\n@ MX 10 mail\nmail A 192.0.2.25\nex MX 10 mail\n"
                    "= c.test\nalias CNAME a.test.\nw CNAME b.test.\nx CNAME no.b.test.\ny CNAME "
                    "www.else.test.\n"
                    "z MX 10 no.b.test.\nz MX 20 " OURS "\n"
                    "= v.test view 1 behind\n@ MX 10 mail\n= v.test view 2\n@ MX 10 mail\n"
                    "= w.test view 1\n@ MX 10 mail\n= w.test view 2 behind\n@ MX 10 mail\n");
    const struct verdict *list = mailrules_verdicts(site.rules, &count);
    for (size_t v = 0; v < count; v++)
        mail_site_print(&list[v], text, sizeof text);
    cr_expect_str_eq(text,
                     ".a.test wildcard-ignored\na.test better-mx relay:\nalias.c.test cname "
                     "relay:\nb.test zone-unread\n"
                     "c.test no-mx\nex.b.test excluded\nsub.a.test zone-unread\n"
                     "v.test zone-unread\nw.c.test zone-unread\nw.test not-ours\n"
                     "x.c.test zone-unread\nz.c.test zone-unread\n",
                     "%s", text);
    cr_expect(mailrules_find(site.rules, "a.test").behind);
    cr_expect(mailrules_find(site.rules, "alias.c.test").behind);
    cr_expect_not(mailrules_find(site.rules, "c.test").behind);
    expect_find(&site, "gone.a.test", "zone-unread");
    expect_find(&site, "out.a.test", "zone-unread");
    expect_find(&site, "y.c.test", "cname-out");
    expect_find(&site, "gone.c.test", "no-mx");
    mail_site_end(&site);
}

/* Split DNS that shares a zone: what a view has by in-view is there for its other zones. */
Test(mailrules, a_zone_that_another_view_has)
{
    struct mail_site site;
    mail_site_begin(&site, "my_addresses = ( \"192.0.2.9\" );",
                    "= net.test view 1\nus A 192.0.2.9\n= un.test view 1 unread\n"
                    "= net.test view 2 in-view 1\n= un.test view 2 in-view 1\n"
                    "= d.test view 2\n@ MX 1 mail\n@ MX 9 us.net.test.\nmail A 192.0.2.1\n"
                    "= e.test view 2\n@ MX 1 mail\n@ MX 9 us.un.test.\nmail A 192.0.2.1\n"
                    "= f.test view 3\n@ MX 1 mail\n@ MX 9 us.net.test.\nmail A 192.0.2.1\n"
                    "= sub.d.test view 1\n@ MX 1 else.test.\n= sub.d.test view 2 in-view 1\n");
    expect_find(&site, "d.test", "better-mx");
    expect_find(&site, "e.test", "zone-unread");
    expect_find(&site, "f.test", "not-ours");
    expect_find(&site, "sub.d.test", "not-ours");
    mail_site_end(&site);
}

/* What a parent zone says beside its delegation is nothing about a child that another view has. */
Test(mailrules, a_child_in_another_view_that_could_not_be_read)
{
    struct mail_site site;
    mail_site_begin(&site, "",
                    "= d.test view 1\nsub NS ns.else.test.\nx.sub MX 10 mail.else.test.\n"
                    "= sub.d.test view 2 unread\n"
                    "= e.test view 1\nx.sub MX 10 mail.else.test.\n= sub.e.test view 1 primary\n"
                    "= sub.e.test view 2 unread\n");
    expect_find(&site, "x.sub.d.test", "zone-unread");
    expect_find(&site, "x.sub.e.test", "zone-unread");
    expect_find(&site, "sub.d.test", "zone-unread");
    mail_site_end(&site);
}

Test(mailrules, names_that_no_list_has)
{
    struct mail_site site;
    mail_site_begin(&site, "exclude = ( \".ex.test\" );",
                    "= d.test\n" BACKUP "out CNAME www.else.test.\nloop CNAME loop\n"
                    "= un.d.test unread\n= own.d.test primary\n= v.test view 1\n@ TXT x\n= v.test "
                    "view 2 unread\n");
    expect_find(&site, "d.test", "better-mx");
    expect_find(&site, "gone.d.test", "no-mx");
    expect_find(&site, ".d.test", "no-mx");
    expect_find(&site, "out.d.test", "cname-out");
    expect_find(&site, "loop.d.test", "cname-loop");
    expect_find(&site, "a.un.d.test", "zone-unread");
    expect_find(&site, ".un.d.test", "zone-unread");
    expect_find(&site, "own.d.test", "deeper-zone");
    expect_find(&site, "a.own.d.test", "deeper-zone");
    expect_find(&site, "else.test", "no-zone");
    expect_find(&site, "a.ex.test", "excluded");
    expect_find(&site, "gone.v.test", "zone-unread");
    cr_expect_null(mailrules_find(site.rules, "else.test").zone);
    cr_expect_eq(mailrules_find(site.rules, "gone.d.test").zone, &site.zones[0]);
    cr_expect_eq(mailrules_find(site.rules, "d.test").serial, 7);
    cr_expect_eq(mailrules_find(site.rules, "d.test").own_preference, 20);
    cr_expect_eq(mailrules_count(site.rules, RULE_CNAME_OUT), 1);
    cr_expect_eq(mailrules_count(site.rules, RULE_CNAME_LOOP), 1);
    cr_expect_eq(mailrules_count(site.rules, RULE_BETTER_MX), 1);
    mail_site_end(&site);
}

Test(mailrules, an_unread_catalog_could_have_any_name)
{
    struct mail_site site;
    mail_site_begin(&site, "", "= d.test\n" BACKUP "out CNAME www.else.test.\n= catalog unread\n");
    expect_find(&site, "d.test", "better-mx");
    expect_find(&site, "else.test", "zone-unread");
    expect_find(&site, "gone.d.test", "zone-unread");
    expect_find(&site, "out.d.test", "zone-unread");
    mail_site_end(&site);
}

Test(mailrules, a_zone_with_too_many_names_is_not_known)
{
    struct mail_site site;
    mail_site_begin(&site, "max_names = 1;",
                    "= d.test\n" BACKUP "a CNAME @\n= e.test\na MX 1 x\nb MX 1 x\n");
    expect_find(&site, "gone.d.test", "too-many");
    expect_find(&site, "gone.e.test", "too-many");
    cr_expect_eq(mailrules_count(site.rules, RULE_TOO_MANY), 3);
    mail_site_end(&site);
}

Test(mailrules, invalid_names_are_counted)
{
    struct mail_site site;
    mail_site_begin(&site, "",
                    "= d.test\na_b MX 9 " OURS "\na\\.b MX 9 " OURS "\n= a_c.test\n@ MX 9 " OURS
                    "\n");
    cr_expect_eq(mailrules_count(site.rules, RULE_INVALID_NAME), 3);
    mail_site_end(&site);
}

Test(mailrules, warnings)
{
    static const struct {
        enum verdict_warning warning;
        const char *settings, *zones;
    } expected[] = {
        {WARN_TARGET_INVALID, "", "= d.test\n@ MX 1 192.0.2.1.\n" BACKUP},
        {WARN_TARGET_DANGLING, "", "= d.test\n@ MX 1 gone\n" BACKUP},
        {WARN_TARGET_FORBIDDEN, "", "= d.test\n@ MX 1 priv\npriv A 10.0.0.1\n" BACKUP},
        {WARN_TARGET_CNAME, "", "= d.test\n@ MX 1 alias\nalias CNAME mail\n" BACKUP},
        {WARN_NULL_MX_MIXED, "", "= d.test\n@ MX 1 .\n" BACKUP},
        {WARN_VIEWS_DISAGREE, "", "= d.test\n" BACKUP "= d.test view 1\n@ TXT x\n"},
        {WARN_HINT_REFUSED, "hint_relays = ( \"hq\" );",
         "= d.test\n@ TXT \"v=lookupd1 relay=x\"\n" BACKUP},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct mail_site site;
        mail_site_begin(&site, expected[i].settings, expected[i].zones);
        expect_find(&site, "d.test", "better-mx");
        for (int w = 0; w < WARN_COUNT; w++)
            cr_expect_eq(mailrules_warnings(site.rules, (enum verdict_warning)w),
                         w == (int)expected[i].warning, "%zu: %d", i, w);
        mail_site_end(&site);
    }
}

static void expect_explained(const char *settings, const char *zones, const char *name,
                             const char *expected)
{
    struct mail_site site;
    char *text = NULL;
    size_t size = 0;
    mail_site_begin(&site, settings, zones);
    FILE *out = open_memstream(&text, &size);
    mailrules_explain(site.rules, name, out);
    cr_assert(fclose(out) == 0);
    cr_expect_str_eq(text, expected, "%s", text);
    free(text);
    mail_site_end(&site);
}

Test(mailrules, explain)
{
    expect_explained(
        "", "= d.test\n@ MX 5 gone\n@ MX 7 alias\nalias CNAME mail\n" BACKUP, "d.test",
        "d.test: relayed, route relay:\n"
        "  better-mx: an MX record is ours, and others are better\n"
        "  zone d.test, view _default, file /zones/file, serial 7\n"
        "    MX 5 gone.d.test: has no address; ignored\n"
        "    MX 7 alias.d.test: is a CNAME, which is in these zones and has an address\n"
        "    MX 10 mail.d.test: is in these zones and has an address\n"
        "    MX 20 us.net.test: is this host\n"
        "    better-mx: an MX record is ours, and others are better\n");
    expect_explained("", "= d.test\n" BACKUP "www CNAME @\n", "www.d.test",
                     "www.d.test: relayed, route relay:\n"
                     "  cname: a CNAME leads to a name that is relayed\n"
                     "  zone d.test, view _default, file /zones/file, serial 7\n"
                     "    CNAME d.test\n"
                     "    MX 10 mail.d.test: is in these zones and has an address\n"
                     "    MX 20 us.net.test: is this host\n"
                     "    cname: a CNAME leads to a name that is relayed\n");
    expect_explained(
        "", "= d.test unread\n", "x.d.test",
        "x.d.test: unknown: a row that is there stays as it is\n"
        "  zone-unread: a zone that decides about it could not be read\n"
        "  zone d.test, view _default, file /zones/file: could not be read (missing)\n");
    expect_explained(
        "", "= d.test primary\n", "d.test",
        "d.test: not relayed\n  deeper-zone: another zone of this server has the name\n"
        "  zone d.test, view _default, file /zones/file: this server is its primary\n");
    expect_explained(
        "", "= d.test\n@ TXT x\n", "else.test",
        "else.test: not relayed\n  no-zone: no secondary zone of this server has it\n");
}

/* A zone of a primary who means no good: many MX records, each name a wildcard's, long names. */
Test(mailrules, large_sets)
{
    struct mail_site site;
    char *zones = malloc(2000000), *p = zones;
    cr_assert_not_null(zones);
    p += sprintf(p, "= d.test\n@ MX 60000 " OURS "\n");
    for (int i = 0; i < 10000; i++)
        p += sprintf(p, "@ MX %d m%d\n", i, i);
    for (int i = 0; i < 9000; i++)
        p += sprintf(p, "n%d MX 1 m\nn%d MX 2 " OURS "\nc%d CNAME n%d\n", i, i, i, i);
    sprintf(p, "m9999 A 192.0.2.1\nm A 192.0.2.1\n");
    mail_site_begin(&site, "max_names = 20000;" HOSTS, zones);
    cr_expect_str_eq(mailrules_find(site.rules, "d.test").route, "relay:[m9999.d.test]:25");
    cr_expect_eq(mailrules_count(site.rules, RULE_CNAME), 9000);
    cr_expect_eq(mailrules_count(site.rules, RULE_BETTER_MX), 9001);
    mail_site_end(&site);
    free(zones);
}
