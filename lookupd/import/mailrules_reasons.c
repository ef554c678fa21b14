/* The reasons of verdicts: what each is called, and what comes of it. */
#include "import/mailrules.h"

static const struct {
    const char *word, *text;
    enum verdict_kind kind;
} reasons[RULE_COUNT] = {
    [RULE_BETTER_MX] = {"better-mx", "an MX record is ours, and others are better", VERDICT_RELAY},
    [RULE_CNAME] = {"cname", "a CNAME leads to a name that is relayed", VERDICT_RELAY},
    [RULE_WILDCARD] = {"wildcard", "a wildcard's MX records: ours, and better ones", VERDICT_RELAY},
    [RULE_HINT] = {"hint", "a TXT record of the zone names the relay", VERDICT_RELAY},
    [RULE_ALL] = {"all", "mode \"all\" relays every zone", VERDICT_RELAY},
    [RULE_NO_MX] = {"no-mx", "it has no MX record", VERDICT_NOT},
    [RULE_NULL_MX] = {"null-mx", "it takes no mail (MX \".\", RFC 7505)", VERDICT_NOT},
    [RULE_NOT_OURS] = {"not-ours", "none of its MX records is this host", VERDICT_NOT},
    [RULE_NO_ZONE] = {"no-zone", "no secondary zone of this server has it", VERDICT_NOT},
    [RULE_ONLY_US] = {"only-us", "this host is its best MX: to relay would be a loop", VERDICT_NOT},
    [RULE_WILDCARD_IGNORED] = {"wildcard-ignored", "the setting wildcards is off", VERDICT_NOT},
    [RULE_SUBDOMAIN_IGNORED] = {"subdomain-ignored", "the setting subdomains is off", VERDICT_NOT},
    [RULE_INVALID_NAME] = {"invalid-name", "it cannot be a mail domain", VERDICT_NOT},
    [RULE_AT_CUT] = {"at-cut", "it is delegated to a zone that is not here", VERDICT_NOT},
    [RULE_BELOW_CUT] = {"below-cut", "it is below a delegation", VERDICT_NOT},
    [RULE_BELOW_DNAME] = {"below-dname", "it is below a DNAME", VERDICT_NOT},
    [RULE_DEEPER_ZONE] = {"deeper-zone", "another zone of this server has the name", VERDICT_NOT},
    [RULE_EXCLUDED] = {"excluded",
                       "by include and exclude, or as nobody's domain (localhost, arpa, local)",
                       VERDICT_NOT},
    [RULE_HINT_NO] = {"hint-no", "a TXT record of the zone says relay=no", VERDICT_NOT},
    [RULE_CNAME_OUT] = {"cname-out", "its CNAME leads to no name that is relayed", VERDICT_NOT},
    [RULE_CNAME_LOOP] = {"cname-loop", "its CNAME leads nowhere: a loop, or too many", VERDICT_NOT},
    [RULE_ZONE_UNREAD] = {"zone-unread", "a zone that decides about it could not be read",
                          VERDICT_UNKNOWN},
    [RULE_BAD_TARGETS] = {"bad-targets",
                          "every better MX is malformed, has no address or a forbidden one",
                          VERDICT_UNKNOWN},
    [RULE_NO_SAFE_HOST] = {"no-safe-host", "nothing vouches for any host that is better",
                           VERDICT_UNKNOWN},
    [RULE_TOO_MANY] = {"too-many", "its zone has more mail names than max_names", VERDICT_UNKNOWN},
};

const char *verdict_reason_word(enum verdict_reason reason)
{
    return reasons[reason].word;
}

const char *verdict_reason_text(enum verdict_reason reason)
{
    return reasons[reason].text;
}

enum verdict_kind verdict_reason_kind(enum verdict_reason reason)
{
    return reasons[reason].kind;
}
