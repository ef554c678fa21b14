-- lookupd's tables, from nothing. Loads into the current database, which should be empty:
--
--     mariadb -e 'CREATE DATABASE lookupd'
--     mariadb lookupd < sql/schema.sql
--
-- Load it as root, or as an account that may create users, roles, triggers and routines for others
-- (SET USER, and SUPER where the binary log is on). It changes nothing that exists: in a database
-- that has these tables it stops at the first one. Needs MariaDB 10.6 or newer.
--
-- Roles belong to the server, not to the database; DBAs give them to accounts as in
-- sql/accounts.example.sql. What to do with the tables stands in sql/README.md.
--
-- Contents: 1 the session; 2 roles and the definer; 3 tables; 4 functions that check and fold what
-- people type; 5 triggers; 6 procedures and the event; 7 views; 8 rights; 9 the version.

-- ---------------------------------------------------------------------------------------------
-- 1. The session. Triggers and routines keep the sql_mode and character set that they are made
-- with, so that they do the same for every client, whatever its own settings are.

SET @old_sql_mode = @@sql_mode, @old_autocommit = @@autocommit;
SET sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';
SET autocommit = 1;
SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin;

-- ---------------------------------------------------------------------------------------------
-- 2. Roles, and the definer.

CREATE ROLE IF NOT EXISTS lookupd_reader;   -- the server: reads what lookups need
CREATE ROLE IF NOT EXISTS lookupd_importer; -- writes the rows of its source
CREATE ROLE IF NOT EXISTS lookupd_operator; -- domains, recipients, aliases, access
CREATE ROLE IF NOT EXISTS lookupd_admin;    -- the same, and relays, sources, tenants
CREATE ROLE IF NOT EXISTS lookupd_tenant;   -- the views my_domain, my_recipient, my_relay
CREATE ROLE IF NOT EXISTS lookupd_auditor;  -- reads everything, changes nothing

-- Triggers and the tenants' views run with the rights of this account, in which nobody can log in.
-- It must exist on every server that the database is restored to, or writes there fail with
-- "The user specified as a definer ('lookupd_definer'@'localhost') does not exist".
-- The password, which nobody knows, is for servers that check passwords: they make no account without.
EXECUTE IMMEDIATE CONCAT('CREATE USER IF NOT EXISTS lookupd_definer@localhost IDENTIFIED BY ''',
                         SHA2(CONCAT(UUID(), RAND()), 256), '-Aa1'' ACCOUNT LOCK');
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES, EXECUTE, TRIGGER, EVENT ON * TO lookupd_definer@localhost;

-- ---------------------------------------------------------------------------------------------
-- 3. Tables.
--
-- Texts compare octet by octet (nopad_bin): "muller" must not be found for "müller", nor "a" for
-- "a ". Names are ASCII, yet their columns are utf8mb4, because a U-label that somebody types would
-- otherwise end in "Incorrect string value" before a trigger could say what to write instead.
-- Columns are a little wider than what is accepted, so that a client without strict mode cannot have
-- a text cut to something acceptable.

CREATE TABLE relay (
  name       VARCHAR(64)   NOT NULL COMMENT 'a short name of your choice, such as hq',
  transport  VARCHAR(64)   NOT NULL DEFAULT 'relay' COMMENT 'service in master.cf: relay, smtp, smtps, lmtp',
  nexthop    VARCHAR(1000) NOT NULL COMMENT 'tried in this order: [mail.example.net]:25, [10.0.0.7]:2525',
  enabled    BOOLEAN       NOT NULL DEFAULT TRUE COMMENT 'FALSE: mail is accepted and kept until it is TRUE',
  note       VARCHAR(255)  NULL,
  updated_at TIMESTAMP     NOT NULL DEFAULT CURRENT_TIMESTAMP COMMENT 'set by a trigger',
  updated_by VARCHAR(384)  NOT NULL DEFAULT '' COMMENT 'set by a trigger',
  PRIMARY KEY (name),
  CONSTRAINT `relay.name: a short name such as hq` CHECK (name REGEXP '^[a-z0-9][a-z0-9._-]{0,62}$'),
  CONSTRAINT `transport: a service in master.cf, such as relay`
    CHECK (transport REGEXP '^[a-z0-9][a-z0-9_-]{0,31}$'),
  CONSTRAINT `nexthop: such as [mail.example.net]:25, [10.0.0.7]:2525`
    CHECK (nexthop <> '' AND nexthop NOT REGEXP '[^ -~]' AND nexthop NOT REGEXP '^ | $|,,'
           AND CHAR_LENGTH(nexthop) <= 960),
  CONSTRAINT `relay.enabled: TRUE or FALSE` CHECK (enabled IN (0, 1))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'where mail goes; many domains can share one';

CREATE TABLE relay_tenant (
  relay  VARCHAR(64)  NOT NULL COMMENT 'a relay that this tenant may choose for domains of his own',
  tenant VARCHAR(128) NOT NULL COMMENT 'user name, as in domain.owner',
  PRIMARY KEY (tenant, relay),
  CONSTRAINT `relay_tenant: no such relay, or relay in use` FOREIGN KEY (relay) REFERENCES relay (name)
    ON DELETE RESTRICT ON UPDATE RESTRICT
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'which relays a tenant may choose';

CREATE TABLE source (
  name       VARCHAR(64)  NOT NULL COMMENT 'an importer, such as bind:ns2',
  account    VARCHAR(128) NOT NULL COMMENT 'user name (without @host) of the account that acts for it',
  note       VARCHAR(255) NULL,
  updated_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP COMMENT 'set by a trigger',
  updated_by VARCHAR(384) NOT NULL DEFAULT '' COMMENT 'set by a trigger',
  PRIMARY KEY (name),
  KEY account (account),
  CONSTRAINT `source.name: a short name such as bind:ns2`
    CHECK (name REGEXP '^[a-z0-9][a-z0-9.:_-]{0,62}$'),
  CONSTRAINT `source.account: a user name, without @host` CHECK (account <> '')
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'importers, and the accounts that act for them';

CREATE TABLE domain (
  name       VARCHAR(255)  NOT NULL COMMENT 'example.com; or .example.com for all names below it',
  relay      VARCHAR(64)   NULL COMMENT 'where its mail goes: relay.name; NULL: Postfix follows the MX',
  route      VARCHAR(1024) NULL COMMENT 'instead of relay, and wins: smtp:[10.0.0.1]:2525',
  recipients ENUM('any', 'listed') NOT NULL DEFAULT 'any' COMMENT 'listed: only those in table recipient',
  enabled    BOOLEAN       NOT NULL DEFAULT TRUE COMMENT 'FALSE: new mail is refused, queued mail waits',
  owner      VARCHAR(128)  NULL COMMENT 'user name of the tenant who sees it in my_domain',
  note       VARCHAR(255)  NULL,
  source     VARCHAR(64)   NULL COMMENT 'NULL: of people; else of this importer',
  updated_at TIMESTAMP     NOT NULL DEFAULT CURRENT_TIMESTAMP COMMENT 'set by a trigger',
  updated_by VARCHAR(384)  NOT NULL DEFAULT '' COMMENT 'set by a trigger',
  PRIMARY KEY (name),
  KEY relay (relay),
  KEY owner (owner),
  KEY source (source),
  CONSTRAINT `domain.relay: no such relay, or relay in use` FOREIGN KEY (relay) REFERENCES relay (name)
    ON DELETE RESTRICT ON UPDATE RESTRICT,
  CONSTRAINT `domain.source: no such source, or source in use` FOREIGN KEY (source) REFERENCES source (name)
    ON DELETE RESTRICT ON UPDATE RESTRICT,
  CONSTRAINT `name: a domain like example.com or .example.com`
    CHECK (name REGEXP '^[.]?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'
           AND name NOT REGEXP '[^a-z0-9.-]|[.][0-9]+$|^.{254}[^.]*$'),
  CONSTRAINT `route: transport:nexthop, such as smtp:[10.0.0.1]:2525`
    CHECK (route REGEXP '^([a-z0-9][a-z0-9_-]*:|:.)' AND route NOT REGEXP '[^ -~]|^ | $'
           AND CHAR_LENGTH(route) <= 1000),
  CONSTRAINT `recipients: any or listed` CHECK (recipients IN ('any', 'listed')),
  CONSTRAINT `enabled: TRUE or FALSE` CHECK (enabled IN (0, 1))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'domains whose mail is taken, and where it goes';

CREATE TABLE recipient (
  address    VARCHAR(320)  NOT NULL COMMENT 'info@example.com; "john doe"@example.com',
  domain     VARCHAR(255)  AS (SUBSTRING_INDEX(address, '@', -1)) STORED COMMENT 'follows from address',
  route      VARCHAR(1024) NULL COMMENT 'for this address only: lmtp:[10.0.0.3]:24',
  enabled    BOOLEAN       NOT NULL DEFAULT TRUE COMMENT 'FALSE: mail for it is refused, unless an alias such as @example.com takes it',
  note       VARCHAR(255)  NULL,
  source     VARCHAR(64)   NULL COMMENT 'NULL: of people; else of this importer',
  updated_at TIMESTAMP     NOT NULL DEFAULT CURRENT_TIMESTAMP COMMENT 'set by a trigger',
  updated_by VARCHAR(384)  NOT NULL DEFAULT '' COMMENT 'set by a trigger',
  PRIMARY KEY (address),
  KEY domain (domain),
  KEY source (source),
  CONSTRAINT `recipient.source: no such source, or source in use` FOREIGN KEY (source) REFERENCES source (name)
    ON DELETE RESTRICT ON UPDATE RESTRICT,
  CONSTRAINT `address: such as info@example.com`
    CHECK (address REGEXP '^.+@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'
           AND address NOT REGEXP '[[:cntrl:]]' AND CHAR_LENGTH(address) <= 319),
  CONSTRAINT `recipient.route: such as lmtp:[10.0.0.3]:24`
    CHECK (route REGEXP '^([a-z0-9][a-z0-9_-]*:|:.)' AND route NOT REGEXP '[^ -~]|^ | $'
           AND CHAR_LENGTH(route) <= 1000),
  CONSTRAINT `recipient.enabled: TRUE or FALSE` CHECK (enabled IN (0, 1))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'addresses of domains with recipients = listed, and routes of single addresses';

CREATE TABLE alias (
  address    VARCHAR(320)  NOT NULL COMMENT 'sales@example.com; or @example.com for what is not listed',
  goto       VARCHAR(2100) NOT NULL COMMENT 'addresses: a@example.net, b@example.net; or @example.net',
  enabled    BOOLEAN       NOT NULL DEFAULT TRUE,
  note       VARCHAR(255)  NULL,
  updated_at TIMESTAMP     NOT NULL DEFAULT CURRENT_TIMESTAMP COMMENT 'set by a trigger',
  updated_by VARCHAR(384)  NOT NULL DEFAULT '' COMMENT 'set by a trigger',
  PRIMARY KEY (address),
  CONSTRAINT `alias.address: user@example.com or @example.com`
    CHECK (address REGEXP '^.*@[.]?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'
           AND address NOT REGEXP '[[:cntrl:]]' AND CHAR_LENGTH(address) <= 319),
  CONSTRAINT `goto: addresses, such as a@example.net, b@example.net`
    CHECK (goto LIKE '%@%' AND goto NOT REGEXP '[[:cntrl:]]|^[|/:]' AND CHAR_LENGTH(goto) <= 2000),
  CONSTRAINT `alias.enabled: TRUE or FALSE` CHECK (enabled IN (0, 1))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'mail for one address goes to others';

CREATE TABLE access (
  map        ENUM('client', 'sender', 'recipient') NOT NULL COMMENT 'what is looked at',
  pattern    VARCHAR(320)  NOT NULL COMMENT 'as in access(5): 192.0.2, .example.com, user@example.com',
  action     VARCHAR(512)  NOT NULL COMMENT 'as in access(5): OK, REJECT text, DUNNO',
  enabled    BOOLEAN       NOT NULL DEFAULT TRUE,
  note       VARCHAR(255)  NULL,
  updated_at TIMESTAMP     NOT NULL DEFAULT CURRENT_TIMESTAMP COMMENT 'set by a trigger',
  updated_by VARCHAR(384)  NOT NULL DEFAULT '' COMMENT 'set by a trigger',
  PRIMARY KEY (map, pattern),
  CONSTRAINT `map: client, sender or recipient` CHECK (map IN ('client', 'sender', 'recipient')),
  CONSTRAINT `pattern: such as 192.0.2 or .example.com or user@example.com`
    CHECK (pattern <> '' AND pattern NOT REGEXP '[[:cntrl:]]' AND CHAR_LENGTH(pattern) <= 319),
  CONSTRAINT `action: such as OK or REJECT text`
    CHECK (action NOT REGEXP '^$|^ | $|[[:cntrl:]]' AND CHAR_LENGTH(action) <= 500),
  CONSTRAINT `access.enabled: TRUE or FALSE` CHECK (enabled IN (0, 1))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'whose mail is refused or let in: the maps client_access, sender_access, recipient_access';

CREATE TABLE import_claim (
  source          VARCHAR(64)   NOT NULL COMMENT 'the importer that says so',
  name            VARCHAR(320)  NOT NULL COMMENT 'a domain; or an address, for its kept settings',
  relay           VARCHAR(64)   NULL COMMENT 'what it would set; need not be in the table relay',
  route           VARCHAR(1024) NULL COMMENT 'what it would set, also where people decided otherwise',
  last_seen       TIMESTAMP     NULL DEFAULT NULL,
  gone_since      TIMESTAMP     NULL DEFAULT NULL COMMENT 'NULL: still there',
  kept_enabled    BOOLEAN       NULL COMMENT 'kept_*: what people had set on the row when it was deleted;',
  kept_recipients ENUM('any', 'listed') NULL COMMENT 'comes back with the row; written by triggers only',
  kept_owner      VARCHAR(128)  NULL,
  kept_note       VARCHAR(255)  NULL,
  kept_at         TIMESTAMP(6)  NULL DEFAULT NULL COMMENT 'NULL: nothing is kept',
  PRIMARY KEY (source, name),
  KEY name (name),
  CONSTRAINT `import_claim.source: no such source, or source in use` FOREIGN KEY (source) REFERENCES source (name)
    ON DELETE RESTRICT ON UPDATE RESTRICT
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'what each importer says';

CREATE TABLE import_run (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  source     VARCHAR(64)   NOT NULL,
  started    TIMESTAMP(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  finished   TIMESTAMP(6)  NULL DEFAULT NULL,
  outcome    ENUM('running', 'done', 'partial', 'refused', 'failed') NOT NULL DEFAULT 'running',
  zones      INT UNSIGNED  NULL COMMENT 'zones that the source has',
  unreadable INT UNSIGNED  NULL COMMENT 'zones that could not be read; their rows are kept',
  inserted   INT UNSIGNED  NULL,
  updated    INT UNSIGNED  NULL,
  deleted    INT UNSIGNED  NULL,
  message    VARCHAR(2000) NULL,
  PRIMARY KEY (id),
  KEY source (source, started),
  CONSTRAINT `import_run.source: no such source, or source in use` FOREIGN KEY (source) REFERENCES source (name)
    ON DELETE RESTRICT ON UPDATE RESTRICT
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'one row for each run of an importer';

CREATE TABLE history (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  at         TIMESTAMP(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  who        VARCHAR(384)  NOT NULL COMMENT 'USER() of the session',
  connection BIGINT UNSIGNED NOT NULL COMMENT 'its CONNECTION_ID()',
  table_name VARCHAR(64)   NOT NULL,
  row_key    VARCHAR(400)  NOT NULL COMMENT 'primary key of the row; parts of it are parted by a blank',
  action     ENUM('insert', 'update', 'delete', 'prune') NOT NULL,
  old        JSON          NULL COMMENT 'the row before; NULL for insert',
  new        JSON          NULL COMMENT 'the row after; NULL for delete',
  PRIMARY KEY (id),
  KEY row_key (row_key, table_name, at),
  KEY at (at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'who changed what, and when; written by triggers';

CREATE TABLE service (
  answering  ENUM('yes', 'no') NOT NULL DEFAULT 'yes' COMMENT 'no: lookups are answered from the snapshot, not from these tables',
  note       VARCHAR(255) NULL COMMENT 'why',
  updated_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP COMMENT 'set by a trigger',
  updated_by VARCHAR(384) NOT NULL DEFAULT '' COMMENT 'set by a trigger',
  one_row    BOOLEAN      NOT NULL DEFAULT TRUE,
  PRIMARY KEY (one_row),
  CONSTRAINT `service: has one row` CHECK (one_row = 1),
  CONSTRAINT `answering: yes or no` CHECK (answering IN ('yes', 'no'))
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'the switch for maintenance; without a row, as with no';

INSERT INTO service (answering) VALUES ('yes');

CREATE TABLE schema_version (
  version INT       NOT NULL COMMENT 'number of the last file in sql/upgrade that was loaded, or 1',
  since   TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  one_row BOOLEAN   NOT NULL DEFAULT TRUE,
  PRIMARY KEY (one_row),
  CONSTRAINT `schema_version: has one row` CHECK (one_row = 1)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
  COMMENT 'where this database stands; lookupd refuses one that it does not know';

-- ---------------------------------------------------------------------------------------------
-- 4. Functions that check and fold what people type. X_error() returns NULL when all is well, else
-- a sentence that says what is wrong and what to write instead (at most 512 characters fit into an
-- error). X_fold() brings a text to the form in which the server asks for it.

DELIMITER //

-- A text from a user as it may stand within a message: cut, and a NUL would end the message.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION quoted(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN CONCAT('"', REGEXP_REPLACE(LEFT(given, 60), '[[:cntrl:]]', '?'), IF(CHAR_LENGTH(given) > 60, '...', ''), '"')//

-- The user name of the session: USER() up to its last '@' (a user name may hold others).
CREATE DEFINER = lookupd_definer@localhost
FUNCTION session_account()
RETURNS VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
NOT DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1)//

-- A domain: lower case, without one trailing dot.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION name_fold(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN LOWER(IF(RIGHT(given, 1) = '.', LEFT(given, CHAR_LENGTH(given) - 1), given))//

-- A domain such as example.com, or .example.com.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION name_error(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
BEGIN
  -- name_fold() in full: half of what an import's row costs are calls of functions
  DECLARE n VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
    DEFAULT LOWER(IF(RIGHT(given, 1) = '.', LEFT(given, CHAR_LENGTH(given) - 1), given));
  IF n REGEXP '\\A\\.?(?=.{3,253}\\z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+(?![0-9]+\\z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\z' THEN
    RETURN NULL;
  END IF;
  IF n = '' THEN
    RETURN 'a domain is missing: write it as in example.com, or .example.com for all names below it';
  ELSEIF n REGEXP '[[:space:][:cntrl:]\\x{A0}\\x{200B}\\x{FEFF}]' THEN
    RETURN CONCAT(quoted(given), ' has a blank or control character in it: write only the domain, as in example.com');
  ELSEIF n LIKE '%@%' THEN
    RETURN CONCAT(quoted(given), ' is an address: write only the domain behind the @; addresses stand in the tables recipient and alias');
  ELSEIF n = '*' THEN
    RETURN '"*" would take mail for the whole world: write each domain, as in example.com';
  ELSEIF n REGEXP '\\A\\*\\.[^*]+\\z' THEN
    RETURN CONCAT(quoted(given), ' is not how it is written here: for all names below it write ', quoted(SUBSTRING(n, 2)));
  ELSEIF n LIKE '%*%' THEN
    RETURN CONCAT(quoted(given), ' has a * in it: write .example.com for all names below example.com');
  ELSEIF IS_IPV4(n) OR IS_IPV6(n) OR n LIKE '[%]' THEN
    RETURN CONCAT(quoted(given), ' is a network address: a domain is a name, as in example.com');
  ELSEIF n REGEXP '[^\\x01-\\x7f]' THEN
    RETURN CONCAT(quoted(given), ' has letters that are not ASCII: write its A-label (xn--...), which the command idn2 prints');
  ELSEIF n LIKE '%..%' OR n = '.' THEN
    RETURN CONCAT(quoted(given), ' has an empty label (two dots in a row): write it as in example.com');
  ELSEIF n LIKE '%\\_%' THEN
    RETURN CONCAT(quoted(given), ' has an underscore: mail domains have only letters, digits and - in their labels');
  ELSEIF n REGEXP '[^a-z0-9.-]' THEN
    RETURN CONCAT(quoted(given), ' has a ', quoted(REGEXP_SUBSTR(n, '[^a-z0-9.-]')), ' in it: write only the domain, as in example.com');
  ELSEIF SUBSTRING(n, 2) NOT LIKE '%.%' THEN
    RETURN CONCAT(quoted(given), ' is a single label: write the whole domain, as in example.com or .example.com');
  ELSEIF n REGEXP '[^.]{64}' THEN
    RETURN CONCAT(quoted(given), ' has a label of more than 63 characters');
  ELSEIF CHAR_LENGTH(n) > 253 THEN
    RETURN CONCAT(quoted(given), ' has more than 253 characters');
  ELSEIF n REGEXP '(\\A|\\.)-|-(\\.|\\z)' THEN
    RETURN CONCAT(quoted(given), ' has a label that begins or ends with -');
  ELSEIF n REGEXP '\\.[0-9]+\\z' THEN
    RETURN CONCAT(quoted(given), ' ends with a number: a domain ends with a name, as in example.com');
  END IF;
  RETURN CONCAT(quoted(given), ' is not a domain: write it as in example.com');
END//

-- The part of an address before the @, in the form that stands in messages: john.doe, "john doe".
CREATE DEFINER = lookupd_definer@localhost
FUNCTION local_error(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
BEGIN
  DECLARE inner_text VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  IF given REGEXP '\\A[a-z0-9_+=-]+(?:\\.[a-z0-9_+=-]+)*\\z' AND LENGTH(given) <= 255 THEN
    RETURN NULL;
  END IF;
  IF given IN ('', '""') THEN
    RETURN 'nothing stands before the @: write it as in info@example.com';
  ELSEIF LENGTH(given) > 255 THEN
    RETURN CONCAT(quoted(given), ' is too long for the part before the @ (255 octets)');
  ELSEIF given REGEXP '[[:cntrl:]]' THEN
    RETURN CONCAT(quoted(given), ' has a control character (tab, line end) in it');
  ELSEIF LEFT(given, 1) = '"' THEN
    IF given NOT REGEXP '\\A"(?:[^"\\\\]|\\\\["\\\\])*"\\z' THEN
      RETURN CONCAT(quoted(given), ' is not well quoted: write "john doe"@example.com, and \\" and \\\\ for " and \\ within');
    END IF;
    SET inner_text = SUBSTRING(given, 2, CHAR_LENGTH(given) - 2);
    IF inner_text REGEXP '\\A[^][()<>@,;:\\\\".[:space:]]+(?:\\.[^][()<>@,;:\\\\".[:space:]]+)*\\z' THEN
      RETURN CONCAT(quoted(given), ' needs no quotes, and Postfix asks without them: write ', LEFT(inner_text, 60), '@...');
    END IF;
  ELSEIF given LIKE '.%' OR given LIKE '%.' OR given LIKE '%..%' THEN
    RETURN CONCAT(quoted(given), ' has a dot too many before the @; if it is meant so, put that part in quotes: "a..b"@example.com');
  ELSEIF given REGEXP '[][()<>@,;:\\\\"[:space:]]' THEN
    RETURN CONCAT(quoted(given), ' has a blank or one of ()<>[]:;@\\," before the @: put that part in quotes, as in "john doe"@example.com');
  END IF;
  RETURN NULL;
END//

-- Postfix asks in Unicode's full case folding: sharp s is asked as ss, final sigma as sigma. Both are
-- stored so; LOWER() does the rest for all letters but those that local_fold_error() refuses.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION local_fold(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN LOWER(IF(given REGEXP '[\\x{DF}\\x{1E9E}\\x{3C2}]',
                REPLACE(REPLACE(REPLACE(given, 'ß', 'ss'), 'ẞ', 'ss'), 'ς', 'σ'), given))//

-- Letters whose folding LOWER() does not know: a row with one of them would never be found.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION local_fold_error(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
BEGIN
  DECLARE letter VARCHAR(8) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  IF given NOT REGEXP '[^\\x01-\\x7f]' THEN
    RETURN NULL;
  END IF;
  SET letter = REGEXP_SUBSTR(IF(given REGEXP '\\x{130}', given, local_fold(given)),
    '[\\p{Lu}\\p{Lt}\\x{B5}\\x{149}\\x{17F}\\x{1F0}\\x{345}\\x{390}\\x{3B0}\\x{3CF}-\\x{3D6}\\x{3F0}-\\x{3F5}\\x{587}\\x{13F8}-\\x{13FD}\\x{1C80}-\\x{1C88}\\x{1E96}-\\x{1E9B}\\x{1F50}-\\x{1F56}\\x{1F80}-\\x{1FFC}\\x{2C2F}\\x{A64A}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}]');
  IF letter = '' THEN
    RETURN NULL;
  END IF;
  RETURN CONCAT(quoted(given), ' has the letter ', letter, ', which would never be found: write its small or plain letters instead');
END//

CREATE DEFINER = lookupd_definer@localhost
FUNCTION address_fold(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN CONCAT(local_fold(LEFT(given, CHAR_LENGTH(given) - CHAR_LENGTH(SUBSTRING_INDEX(given, '@', -1)) - 1)),
              '@', name_fold(SUBSTRING_INDEX(given, '@', -1)))//

-- An address user@domain, as it may stand in recipient and alias.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION address_error(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
BEGIN
  DECLARE name_part, local_part VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  IF given NOT LIKE '%@%' THEN
    RETURN CONCAT(quoted(given), ' has no @: write a whole address, as in info@example.com');
  ELSEIF given REGEXP '\\A[[:space:]]|[[:space:]]\\z' THEN
    RETURN CONCAT(quoted(given), ' has a blank before or after it');
  ELSEIF given LIKE '<%' OR given LIKE '%>' THEN
    RETURN CONCAT(quoted(given), ' has angle brackets: write the address without < and >');
  ELSEIF CHAR_LENGTH(given) > 319 THEN
    RETURN CONCAT(quoted(given), ' has more than 319 characters');
  END IF;
  SET name_part = SUBSTRING_INDEX(given, '@', -1);
  SET local_part = LEFT(given, CHAR_LENGTH(given) - CHAR_LENGTH(name_part) - 1);
  IF name_part LIKE '.%' THEN
    RETURN CONCAT(quoted(given), ' has a dot after the @: write it as in info@example.com');
  END IF;
  RETURN COALESCE(name_error(name_part), local_error(LOWER(local_part)), local_fold_error(local_part));
END//

-- The address of an alias: user@domain, @domain, or @.domain.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION alias_error(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN IF(given LIKE '@%', name_error(SUBSTRING(given, 2)), address_error(given))//

-- Where an alias goes: addresses, or @domain for the same user there, parted by commas or blanks.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION goto_error(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
BEGIN
  DECLARE rest, item, name_part, text VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  SET rest = REGEXP_REPLACE(given, '\\A[ ,]+', '');
  IF rest = '' THEN
    RETURN 'goto is empty: write where the mail goes, as in a@example.net, b@example.net';
  ELSEIF CHAR_LENGTH(given) > 2000 THEN
    RETURN 'goto has more than 2000 characters: write a list server''s address instead';
  ELSEIF given REGEXP '[[:cntrl:]]' THEN
    RETURN 'goto has a control character (tab, line end) in it: write addresses parted by commas';
  END IF;
  WHILE rest <> '' DO
    SET item = REGEXP_SUBSTR(rest, '\\A(?:"(?:[^"\\\\]|\\\\.)*"|[^" ,])+');
    IF item = '' THEN
      RETURN CONCAT(quoted(rest), ' has a quote without end');
    END IF;
    IF item REGEXP '\\A"?\\|' THEN
      RETURN CONCAT(quoted(item), ': a command cannot stand in goto, only addresses');
    ELSEIF item REGEXP '\\A"?/' THEN
      RETURN CONCAT(quoted(item), ': a file cannot stand in goto, only addresses');
    ELSEIF item LIKE ':%' THEN
      RETURN CONCAT(quoted(item), ': :include: and the like cannot stand in goto, only addresses');
    ELSEIF item NOT LIKE '%@%' THEN
      RETURN CONCAT(quoted(item), ' in goto has no @: write a whole address, as in info@example.com');
    ELSEIF item LIKE '@%' AND given NOT REGEXP '\\A@[^@", ]*[ ,]*\\z' THEN
      RETURN CONCAT(quoted(given), ' has an @ with nothing before it: a domain in goto, for the same user there, must stand alone');
    END IF;
    SET name_part = SUBSTRING_INDEX(item, '@', -1);
    SET text = IF(name_part LIKE '.%', CONCAT(quoted(item), ' in goto has a dot after the @'),
                  COALESCE(name_error(name_part),
                           IF(item LIKE '@%', NULL,
                              local_error(LOWER(LEFT(item, CHAR_LENGTH(item) - CHAR_LENGTH(name_part) - 1))))));
    IF text IS NOT NULL THEN
      RETURN text;
    END IF;
    SET rest = REGEXP_REPLACE(SUBSTRING(rest, CHAR_LENGTH(item) + 1), '\\A[ ,]+', '');
  END WHILE;
  RETURN NULL;
END//

-- One destination of a nexthop: host, host:port, [host], [host]:port, [address], [address]:port.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION destination_error(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
BEGIN
  DECLARE host, rest, bare VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE bracketed BOOLEAN DEFAULT given LIKE '[%';
  IF given REGEXP '\\A[a-z]+:\\[' THEN
    RETURN CONCAT(quoted(given), ' has a transport before the host: write only ', quoted(SUBSTRING(given, LOCATE('[', given))));
  END IF;
  IF bracketed THEN
    IF given NOT LIKE '%]%' THEN
      RETURN CONCAT(quoted(given), ' lacks its closing bracket: write it as in [mail.example.net]:25');
    END IF;
    SET host = SUBSTRING(SUBSTRING_INDEX(given, ']', 1), 2);
    SET rest = SUBSTRING(given, CHAR_LENGTH(host) + 3);
    IF rest NOT LIKE ':%' AND rest <> '' THEN
      RETURN CONCAT(quoted(given), ' has something other than a colon and a port behind ]: write it as in [mail.example.net]:25');
    END IF;
  ELSEIF given LIKE '%]%' THEN
    RETURN CONCAT(quoted(given), ' has ] without [: write it as in [mail.example.net]:25');
  ELSE
    IF given LIKE '%:%:%' THEN
      RETURN CONCAT(quoted(given), IF(IS_IPV6(given), CONCAT(' is an address without brackets: write [', given, '] or [', given, ']:25'),
                    ' has more than one colon: write host:port; an IPv6 address needs brackets, as in [2001:db8::1]:25'));
    END IF;
    SET host = SUBSTRING_INDEX(given, ':', 1);
    SET rest = SUBSTRING(given, CHAR_LENGTH(host) + 1);
  END IF;
  SET bare = LOWER(host);
  IF bracketed AND bare LIKE 'ipv6:%' THEN
    SET bare = SUBSTRING(bare, 6);
    IF bare NOT LIKE '%:%' THEN
      SET bare = ':';
    END IF;
  END IF;
  IF rest <> '' AND rest NOT REGEXP '\\A:(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])\\z' THEN
    RETURN CONCAT(quoted(given), IF(rest REGEXP '\\A:[0-9]+\\z', ': a port is from 1 to 65535, without leading zeros',
                  ': a port must stand as its number behind the colon, as in [mail.example.net]:25'));
  ELSEIF bare = '' THEN
    RETURN CONCAT(quoted(given), ' has no host: write it as in [mail.example.net]:25');
  ELSEIF bare LIKE '%:%' THEN
    IF NOT IS_IPV6(bare) OR bare REGEXP '[^0-9a-f:]|(:.*){8}' THEN
      RETURN CONCAT(quoted(given), ' has no IPv6 address between [ and ]: write it as in [2001:db8::1]:25');
    END IF;
  ELSEIF bare REGEXP '\\A[0-9.]+\\z' THEN
    IF bare NOT REGEXP '\\A(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9][0-9]?)(?:\\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}\\z' THEN
      RETURN CONCAT(quoted(given), ' has a number that is no IPv4 address: write a host name, or an address as in [192.0.2.1]:25');
    ELSEIF NOT bracketed THEN
      RETURN CONCAT(quoted(given), ' is an address without brackets: write [', host, ']', IF(rest = '', ':25', rest));
    END IF;
  ELSEIF CHAR_LENGTH(bare) > 253 OR bare REGEXP '[^.]{64}' OR
         bare NOT REGEXP '\\A[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\\z' THEN
    RETURN CONCAT(quoted(given), ' has no valid host name: write it as in [mail.example.net]:25');
  END IF;
  RETURN NULL;
END//

-- What stands behind the colon of a route, and in relay.nexthop: it depends on the transport.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION nexthop_error(transport VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                       given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
BEGIN
  DECLARE rest, item, text VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  IF given REGEXP '[^ -~]' THEN
    RETURN CONCAT(quoted(given), ' has a character that is not printable ASCII: write it as in [mail.example.net]:25');
  ELSEIF transport IN ('error', 'retry', 'discard') THEN
    RETURN NULL;
  ELSEIF given REGEXP '\\A | \\z' THEN
    RETURN CONCAT(quoted(given), ' has a blank before or after it');
  ELSEIF transport = 'lmtp' AND given LIKE 'unix:%' THEN
    IF given NOT REGEXP '\\Aunix:[^ ,]{1,107}\\z' THEN
      RETURN CONCAT(quoted(given), ' has no usable path: write it as in unix:/run/dovecot/lmtp, at most 107 characters, no blanks or commas');
    END IF;
    RETURN NULL;
  END IF;
  SET rest = given;
  IF transport = 'lmtp' AND given LIKE 'inet:%' THEN
    SET rest = SUBSTRING(given, 6);
    IF rest = '' OR rest LIKE ' %' THEN
      RETURN CONCAT(quoted(given), ' has no host: write it as in inet:mail.example.net:24');
    END IF;
  END IF;
  IF rest REGEXP ',\\z|\\A,|, *,' THEN
    RETURN CONCAT(quoted(given), ' has a comma too many: write it as in [mail.example.net]:25, [10.0.0.7]:2525');
  END IF;
  WHILE rest <> '' DO
    SET item = REGEXP_SUBSTR(rest, '\\A[^ ,]+');
    SET text = destination_error(item);
    IF text IS NOT NULL THEN
      RETURN text;
    END IF;
    SET rest = REGEXP_REPLACE(SUBSTRING(rest, CHAR_LENGTH(item) + 1), '\\A[ ,]+', '');
  END WHILE;
  RETURN NULL;
END//

-- A whole transport(5) value. lookupd checks routes again before it sends them; what it would refuse
-- is refused here (tests/system/routes.tsv holds both to the same cases).
CREATE DEFINER = lookupd_definer@localhost
FUNCTION route_error(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
BEGIN
  DECLARE transport, nexthop VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  IF given IS NULL OR given = 'relay:' THEN
    RETURN NULL;
  ELSEIF given = '' THEN
    RETURN 'the route is empty: write NULL for none, or relay: to follow the MX';
  ELSEIF CHAR_LENGTH(given) > 1000 THEN
    RETURN 'the route has more than 1000 characters';
  ELSEIF given REGEXP '[^ -~]' THEN
    RETURN CONCAT(quoted(given), ' has a character that is not printable ASCII: write a route as in smtp:[mail.example.net]:25');
  ELSEIF given REGEXP '\\A | \\z' THEN
    RETURN CONCAT(quoted(given), ' has a blank before or after it');
  ELSEIF given LIKE '[%' OR given NOT LIKE '%:%' OR SUBSTRING_INDEX(given, ':', 1) LIKE '%.%' THEN
    RETURN CONCAT(quoted(given), ' names no transport: write it before a colon, as in smtp:[mail.example.net]:25');
  END IF;
  SET transport = SUBSTRING_INDEX(given, ':', 1);
  SET nexthop = SUBSTRING(given, CHAR_LENGTH(transport) + 2);
  IF transport REGEXP '[A-Z]' THEN
    RETURN CONCAT(quoted(given), ' has its transport in capitals: write ', quoted(CONCAT(LOWER(transport), ':', nexthop)));
  ELSEIF transport = '' AND nexthop = '' THEN
    RETURN '":" says nothing: write relay: to follow the MX';
  ELSEIF transport <> '' AND transport NOT REGEXP '\\A[a-z0-9][a-z0-9_-]{0,31}\\z' THEN
    RETURN CONCAT(quoted(transport), ' is no name of a transport: write a service of master.cf, as in smtp:[mail.example.net]:25');
  ELSEIF transport IN ('inet', 'unix') OR transport REGEXP '\\A[0-9]+\\z' THEN
    RETURN CONCAT(quoted(given), ' names no transport: write it before a colon, as in smtp:[mail.example.net]:25 or lmtp:unix:/run/lmtp');
  ELSEIF nexthop REGEXP '\\A[0-9]+\\z' AND transport NOT IN ('error', 'retry', 'discard') THEN
    RETURN CONCAT(quoted(given), ' lacks its transport or its host: write both, as in smtp:[mail.example.net]:25');
  ELSEIF nexthop LIKE ':%' AND transport NOT IN ('error', 'retry', 'discard') THEN
    RETURN CONCAT(quoted(given), ' has a colon too many: write ', quoted(CONCAT(transport, nexthop)));
  END IF;
  RETURN nexthop_error(transport, nexthop);
END//

-- access.pattern. Domains may be a single label there (.xyz), and have underscores.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION pattern_name_error(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN IF(name_fold(given) REGEXP '\\A\\.?(?=.{1,253}\\z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\\.)*(?![0-9]+\\z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\\z',
          NULL, name_error(given))//

CREATE DEFINER = lookupd_definer@localhost
FUNCTION pattern_fold(given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN IF(given LIKE '%@%', address_fold(given), name_fold(given))//

CREATE DEFINER = lookupd_definer@localhost
FUNCTION pattern_error(map VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                       given VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
BEGIN
  DECLARE n, name_part, local_part VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  SET n = name_fold(given);
  IF n = '' THEN
    RETURN 'the pattern is empty: write it as in access(5)';
  ELSEIF CHAR_LENGTH(given) > 319 THEN
    RETURN CONCAT(quoted(given), ' has more than 319 characters');
  ELSEIF n LIKE '%*%' THEN
    RETURN CONCAT(quoted(given), ': access(5) knows no *; .example.com stands for all names below example.com');
  ELSEIF map = 'client' THEN
    IF n LIKE '%/%' THEN
      RETURN CONCAT(quoted(given), ': networks are not written with / here: write the leading numbers, as in 192.0.2 or 2001:db8');
    ELSEIF n LIKE '[%' THEN
      RETURN CONCAT(quoted(given), ' has brackets: write the address without them');
    ELSEIF n LIKE '%@%' THEN
      RETURN CONCAT(quoted(given), ' is an address: a client is a host name or network address; for addresses use map sender or recipient');
    ELSEIF n LIKE '%:%' THEN
      IF IS_IPV6(n) AND n NOT LIKE '%.%' THEN
        RETURN IF(n = INET6_NTOA(INET6_ATON(n)), NULL,
                  CONCAT(quoted(given), ' would never be asked so: write ', INET6_NTOA(INET6_ATON(n))));
      ELSEIF n NOT REGEXP '\\A(?:0|[1-9a-f][0-9a-f]{0,3})(?::(?:0|[1-9a-f][0-9a-f]{0,3})){1,6}\\z' THEN
        RETURN CONCAT(quoted(given), ' is no IPv6 address or leading part of one: write it as in 2001:db8::1 or 2001:db8');
      END IF;
      RETURN NULL;
    ELSEIF n REGEXP '\\A[0-9.]+\\z' THEN
      IF n NOT REGEXP '\\A(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){0,3}\\z'
         AND n NOT REGEXP '\\A[1-9][0-9]{3}\\z' THEN
        RETURN CONCAT(quoted(given), ' is no IPv4 address or leading part of one: write it as in 192.0.2.1 or 192.0.2');
      END IF;
      RETURN NULL;
    END IF;
    RETURN pattern_name_error(given);
  END IF;
  IF n = '<>' OR n = '""' THEN
    RETURN CONCAT(quoted(given), ': the empty sender is not looked up in tables: use check_sender_access with a static table for it');
  ELSEIF n NOT LIKE '%@%' THEN
    RETURN pattern_name_error(given);
  ELSEIF given REGEXP '\\A[[:space:]]|[[:space:]]\\z' THEN
    RETURN CONCAT(quoted(given), ' has a blank before or after it');
  END IF;
  SET name_part = SUBSTRING_INDEX(given, '@', -1);
  SET local_part = LEFT(given, CHAR_LENGTH(given) - CHAR_LENGTH(name_part) - 1);
  IF n = '@' THEN
    RETURN '"@" has nothing before or after the @: write the pattern as in access(5)';
  ELSEIF local_part = '' THEN
    RETURN CONCAT(quoted(given), ' would never be asked so, access(5) knows no @domain: write ', quoted(name_fold(name_part)));
  ELSEIF name_part LIKE '.%' THEN
    RETURN CONCAT(quoted(given), ' has a dot after the @: write user@example.com, or user@ for that user anywhere');
  END IF;
  RETURN COALESCE(IF(name_part = '', NULL, pattern_name_error(name_part)),
                  local_error(LOWER(local_part)), local_fold_error(local_part));
END//

-- Rows as JSON, for the history. updated_at and updated_by are left out: a history entry says both.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION relay_json(name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                    transport VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                    nexthop VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                    enabled BOOLEAN,
                    note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN JSON_OBJECT('name', name, 'transport', transport, 'nexthop', nexthop, 'enabled', enabled + 0, 'note', note)//

CREATE DEFINER = lookupd_definer@localhost
FUNCTION domain_json(name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     relay VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     route VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     recipients VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     enabled BOOLEAN,
                     owner VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     source VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN JSON_OBJECT('name', name, 'relay', relay, 'route', route, 'recipients', recipients, 'enabled', enabled + 0,
                   'owner', owner, 'note', note, 'source', source)//

CREATE DEFINER = lookupd_definer@localhost
FUNCTION recipient_json(address VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        route VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        enabled BOOLEAN,
                        note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        source VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN JSON_OBJECT('address', address, 'route', route, 'enabled', enabled + 0, 'note', note, 'source', source)//

CREATE DEFINER = lookupd_definer@localhost
FUNCTION alias_json(address VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                    goto_list VARCHAR(2100) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                    enabled BOOLEAN,
                    note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN JSON_OBJECT('address', address, 'goto', goto_list, 'enabled', enabled + 0, 'note', note)//

CREATE DEFINER = lookupd_definer@localhost
FUNCTION access_json(map VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     pattern VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     action VARCHAR(512) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     enabled BOOLEAN,
                     note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN JSON_OBJECT('map', map, 'pattern', pattern, 'action', action, 'enabled', enabled + 0, 'note', note)//

CREATE DEFINER = lookupd_definer@localhost
FUNCTION source_json(name VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     account VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                     note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN JSON_OBJECT('name', name, 'account', account, 'note', note)//

CREATE DEFINER = lookupd_definer@localhost
FUNCTION service_json(answering VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                      note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN JSON_OBJECT('answering', answering, 'note', note)//

-- The fence. NULL: the session is a person's. Otherwise its account stands in the table source, and
-- @lookupd_source must name one of that account's sources, which is returned.
CREATE DEFINER = lookupd_definer@localhost
FUNCTION acting_source()
RETURNS VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
NOT DETERMINISTIC READS SQL DATA SQL SECURITY INVOKER
BEGIN
  DECLARE me VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT session_account();
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE text VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  -- an importer, whose rows are many, costs one look
  SET acting = (SELECT name FROM source WHERE name = LEFT(CONVERT(@lookupd_source USING utf8mb4), 64) AND account = me);
  IF acting IS NOT NULL THEN
    RETURN acting;
  ELSEIF NOT EXISTS (SELECT 1 FROM source WHERE account = me) THEN
    RETURN NULL;
  END IF;
  SET acting = LEFT(CONVERT(@lookupd_source USING utf8mb4), 64);
  IF acting IS NULL THEN
    SET text = CONCAT('account ', me, ' acts for a source: say for which, as in SET @lookupd_source = ''bind:ns2''');
  ELSE
    SET text = CONCAT('account ', me, ' may not act for the source ', quoted(acting), ' (@lookupd_source): see the table source');
  END IF;
  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = text;
END//

-- Ends the statement with a text, unless it is NULL.
CREATE DEFINER = lookupd_definer@localhost
PROCEDURE refuse(IN text VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
NO SQL SQL SECURITY INVOKER
BEGIN
  IF text IS NOT NULL THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = text;
  END IF;
END//

-- One entry of the history; none when nothing changed. SYSDATE(): a session can SET timestamp, and one
-- that waited for a row would write of the time before the change that it waited for.
CREATE DEFINER = lookupd_definer@localhost
PROCEDURE record_change(IN in_table VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        IN in_key VARCHAR(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        IN in_old LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        IN in_new LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
MODIFIES SQL DATA SQL SECURITY INVOKER
BEGIN
  IF NOT (in_old <=> in_new) THEN
    INSERT INTO history (at, who, connection, table_name, row_key, action, old, new)
    VALUES (SYSDATE(6), USER(), CONNECTION_ID(), in_table, in_key,
            CASE WHEN in_old IS NULL THEN 'insert' WHEN in_new IS NULL THEN 'delete' ELSE 'update' END,
            in_old, in_new);
  END IF;
END//

-- The same for an update. A change of the primary key is written as a delete of the old key and an
-- insert of the new one, so that each key's history is whole.
CREATE DEFINER = lookupd_definer@localhost
PROCEDURE record_update(IN in_table VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        IN old_key VARCHAR(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        IN new_key VARCHAR(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        IN in_old LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                        IN in_new LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
MODIFIES SQL DATA SQL SECURITY INVOKER
BEGIN
  IF old_key = new_key THEN
    CALL record_change(in_table, old_key, in_old, in_new);
  ELSE
    CALL record_change(in_table, old_key, in_old, NULL);
    CALL record_change(in_table, new_key, NULL, in_new);
  END IF;
END//

-- What was kept for a row, and came back with it, ends with that row: it is people's by now, and
-- they delete or rename it.
CREATE DEFINER = lookupd_definer@localhost
PROCEDURE forget_kept(IN in_table VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                      IN in_name VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
MODIFIES SQL DATA SQL SECURITY INVOKER
BEGIN
  DECLARE came_back TIMESTAMP(6) DEFAULT (SELECT MAX(at) FROM history
    WHERE row_key = in_name AND table_name = in_table AND action = 'insert' AND JSON_VALUE(new, '$.source') IS NOT NULL);
  -- an UPDATE, even of nothing, would end a DELETE that itself looks at import_claim
  IF EXISTS (SELECT 1 FROM import_claim WHERE name = in_name AND kept_at < came_back) THEN
    UPDATE import_claim SET kept_enabled = NULL, kept_recipients = NULL, kept_owner = NULL, kept_note = NULL, kept_at = NULL
      WHERE name = in_name AND kept_at < came_back;
  END IF;
END//

DELIMITER ;

-- ---------------------------------------------------------------------------------------------
-- 5. Triggers. BEFORE: fold, check, fence, updated_at and updated_by. AFTER: history. An empty text
-- in a column that may be NULL means NULL: that is what forms of graphical tools write. A NULL in one
-- that may not is refused here, since INSERT IGNORE and LOAD DATA LOCAL would make 0 of it.

DELIMITER //

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_before_insert BEFORE INSERT ON relay FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('relays belong to people: an importer''s account may not change them');
  END IF;
  SET NEW.name = LOWER(NEW.name), NEW.note = NULLIF(NEW.note, '');
  IF NEW.name NOT REGEXP '\\A[a-z0-9][a-z0-9._-]{0,62}\\z' THEN
    CALL refuse(CONCAT(quoted(NEW.name), ' is no name for a relay: use letters, digits, ".", "-" and "_", as in hq'));
  ELSEIF NEW.transport NOT REGEXP '\\A[a-z0-9][a-z0-9_-]{0,31}\\z' THEN
    CALL refuse(CONCAT(quoted(NEW.transport), ' is no name of a transport: write a service of master.cf in small letters, without colon, such as relay or smtp'));
  ELSEIF NEW.nexthop = '' THEN
    CALL refuse('nexthop is empty: write where mail goes, as in [mail.example.net]:25, [10.0.0.7]:2525');
  ELSEIF CHAR_LENGTH(NEW.nexthop) > 960 THEN
    CALL refuse('nexthop has more than 960 characters');
  ELSEIF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  END IF;
  CALL refuse(nexthop_error(NEW.transport, NEW.nexthop));
  SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_before_update BEFORE UPDATE ON relay FOR EACH ROW
BEGIN
  DECLARE used_by VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  IF acting_source() IS NOT NULL THEN
    CALL refuse('relays belong to people: an importer''s account may not change them');
  END IF;
  SET NEW.name = LOWER(NEW.name), NEW.note = NULLIF(NEW.note, '');
  IF NEW.name NOT REGEXP '\\A[a-z0-9][a-z0-9._-]{0,62}\\z' THEN
    CALL refuse(CONCAT(quoted(NEW.name), ' is no name for a relay: use letters, digits, ".", "-" and "_", as in hq'));
  ELSEIF NEW.transport NOT REGEXP '\\A[a-z0-9][a-z0-9_-]{0,31}\\z' THEN
    CALL refuse(CONCAT(quoted(NEW.transport), ' is no name of a transport: write a service of master.cf in small letters, without colon, such as relay or smtp'));
  ELSEIF NEW.nexthop = '' THEN
    CALL refuse('nexthop is empty: write where mail goes, as in [mail.example.net]:25, [10.0.0.7]:2525');
  ELSEIF CHAR_LENGTH(NEW.nexthop) > 960 THEN
    CALL refuse('nexthop has more than 960 characters');
  ELSEIF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  ELSEIF NEW.name <> OLD.name THEN
    SET used_by = (SELECT name FROM domain WHERE relay = OLD.name LIMIT 1);
    IF used_by IS NOT NULL THEN
      CALL refuse(CONCAT('relay ', quoted(OLD.name), ' is used by ', quoted(used_by),
                         ' and perhaps others, so its name must stay: make a second relay and move them to it'));
    END IF;
  END IF;
  CALL refuse(nexthop_error(NEW.transport, NEW.nexthop));
  IF relay_json(NEW.name, NEW.transport, NEW.nexthop, NEW.enabled, NEW.note) =
     relay_json(OLD.name, OLD.transport, OLD.nexthop, OLD.enabled, OLD.note) THEN
    SET NEW.updated_at = OLD.updated_at, NEW.updated_by = OLD.updated_by;
  ELSE
    SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_before_delete BEFORE DELETE ON relay FOR EACH ROW
BEGIN
  DECLARE used_by VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  IF acting_source() IS NOT NULL THEN
    CALL refuse('relays belong to people: an importer''s account may not change them');
  END IF;
  SET used_by = (SELECT name FROM domain WHERE relay = OLD.name LIMIT 1);
  IF used_by IS NOT NULL THEN
    CALL refuse(CONCAT('relay ', quoted(OLD.name), ' is used by ', quoted(used_by),
                       ' and perhaps others: give them another with UPDATE domain SET relay = ... WHERE relay = ', QUOTE(OLD.name)));
  ELSEIF EXISTS (SELECT 1 FROM relay_tenant WHERE relay = OLD.name) THEN
    CALL refuse(CONCAT('relay ', quoted(OLD.name), ' is given to tenants: first DELETE FROM relay_tenant WHERE relay = ', QUOTE(OLD.name)));
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_after_insert AFTER INSERT ON relay FOR EACH ROW
CALL record_change('relay', NEW.name, NULL, relay_json(NEW.name, NEW.transport, NEW.nexthop, NEW.enabled, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_after_update AFTER UPDATE ON relay FOR EACH ROW
CALL record_update('relay', OLD.name, NEW.name,
                   relay_json(OLD.name, OLD.transport, OLD.nexthop, OLD.enabled, OLD.note),
                   relay_json(NEW.name, NEW.transport, NEW.nexthop, NEW.enabled, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_after_delete AFTER DELETE ON relay FOR EACH ROW
CALL record_change('relay', OLD.name, relay_json(OLD.name, OLD.transport, OLD.nexthop, OLD.enabled, OLD.note), NULL)//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_tenant_before_insert BEFORE INSERT ON relay_tenant FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('relays belong to people: an importer''s account may not change them');
  END IF;
  SET NEW.relay = LOWER(NEW.relay);
  IF NEW.tenant = '' THEN
    CALL refuse('tenant is empty: write the tenant''s user name');
  ELSEIF NEW.tenant REGEXP '\\A[[:space:]]|[[:space:]]\\z|[[:cntrl:]]' THEN
    CALL refuse(CONCAT(quoted(NEW.tenant), ' has a blank before or after it, or a control character: write the tenant''s user name'));
  ELSEIF NOT EXISTS (SELECT 1 FROM relay WHERE name = NEW.relay) THEN
    CALL refuse(CONCAT('there is no relay ', quoted(NEW.relay), ': the table relay shows them'));
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_tenant_before_update BEFORE UPDATE ON relay_tenant FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('relays belong to people: an importer''s account may not change them');
  END IF;
  SET NEW.relay = LOWER(NEW.relay);
  IF NEW.tenant = '' THEN
    CALL refuse('tenant is empty: write the tenant''s user name');
  ELSEIF NEW.tenant REGEXP '\\A[[:space:]]|[[:space:]]\\z|[[:cntrl:]]' THEN
    CALL refuse(CONCAT(quoted(NEW.tenant), ' has a blank before or after it, or a control character: write the tenant''s user name'));
  ELSEIF NOT EXISTS (SELECT 1 FROM relay WHERE name = NEW.relay) THEN
    CALL refuse(CONCAT('there is no relay ', quoted(NEW.relay), ': the table relay shows them'));
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_tenant_before_delete BEFORE DELETE ON relay_tenant FOR EACH ROW
IF acting_source() IS NOT NULL THEN
  CALL refuse('relays belong to people: an importer''s account may not change them');
END IF//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_tenant_after_insert AFTER INSERT ON relay_tenant FOR EACH ROW
CALL record_change('relay_tenant', CONCAT(NEW.tenant, ' ', NEW.relay), NULL,
                   JSON_OBJECT('relay', NEW.relay, 'tenant', NEW.tenant))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_tenant_after_update AFTER UPDATE ON relay_tenant FOR EACH ROW
CALL record_update('relay_tenant', CONCAT(OLD.tenant, ' ', OLD.relay), CONCAT(NEW.tenant, ' ', NEW.relay),
                   JSON_OBJECT('relay', OLD.relay, 'tenant', OLD.tenant),
                   JSON_OBJECT('relay', NEW.relay, 'tenant', NEW.tenant))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER relay_tenant_after_delete AFTER DELETE ON relay_tenant FOR EACH ROW
CALL record_change('relay_tenant', CONCAT(OLD.tenant, ' ', OLD.relay),
                   JSON_OBJECT('relay', OLD.relay, 'tenant', OLD.tenant), NULL)//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER source_before_insert BEFORE INSERT ON source FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('sources belong to people: an importer''s account may not change them');
  END IF;
  SET NEW.name = LOWER(NEW.name), NEW.note = NULLIF(NEW.note, '');
  IF NEW.name NOT REGEXP '\\A[a-z0-9][a-z0-9.:_-]{0,62}\\z' THEN
    CALL refuse(CONCAT(quoted(NEW.name), ' is no name for a source: use letters, digits, ":", ".", "-" and "_", as in bind:ns2'));
  ELSEIF NEW.account = '' THEN
    CALL refuse('account is empty: write the user name of the account that acts for the source');
  ELSEIF NEW.account REGEXP '@(localhost|%|[0-9.:]+)\\z' THEN
    CALL refuse(CONCAT(quoted(NEW.account), ': write only the user name, without @ and host'));
  ELSEIF NEW.account REGEXP '\\A[[:space:]]|[[:space:]]\\z|[[:cntrl:]]' THEN
    CALL refuse(CONCAT(quoted(NEW.account), ' has a blank before or after it, or a control character: no account would be meant, and the fence would be open'));
  END IF;
  SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER source_before_update BEFORE UPDATE ON source FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('sources belong to people: an importer''s account may not change them');
  END IF;
  SET NEW.name = LOWER(NEW.name), NEW.note = NULLIF(NEW.note, '');
  IF NEW.name NOT REGEXP '\\A[a-z0-9][a-z0-9.:_-]{0,62}\\z' THEN
    CALL refuse(CONCAT(quoted(NEW.name), ' is no name for a source: use letters, digits, ":", ".", "-" and "_", as in bind:ns2'));
  ELSEIF NEW.account = '' THEN
    CALL refuse('account is empty: write the user name of the account that acts for the source');
  ELSEIF NEW.account REGEXP '@(localhost|%|[0-9.:]+)\\z' THEN
    CALL refuse(CONCAT(quoted(NEW.account), ': write only the user name, without @ and host'));
  ELSEIF NEW.account REGEXP '\\A[[:space:]]|[[:space:]]\\z|[[:cntrl:]]' THEN
    CALL refuse(CONCAT(quoted(NEW.account), ' has a blank before or after it, or a control character: no account would be meant, and the fence would be open'));
  END IF;
  IF source_json(NEW.name, NEW.account, NEW.note) = source_json(OLD.name, OLD.account, OLD.note) THEN
    SET NEW.updated_at = OLD.updated_at, NEW.updated_by = OLD.updated_by;
  ELSE
    SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER source_before_delete BEFORE DELETE ON source FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('sources belong to people: an importer''s account may not change them');
  ELSEIF EXISTS (SELECT 1 FROM domain WHERE source = OLD.name) OR EXISTS (SELECT 1 FROM recipient WHERE source = OLD.name) THEN
    CALL refuse(CONCAT('source ', quoted(OLD.name), ' still has rows: make them people''s first with UPDATE domain SET source = NULL WHERE source = ',
                       QUOTE(OLD.name), ' (and recipient)'));
  ELSEIF EXISTS (SELECT 1 FROM import_claim WHERE source = OLD.name) OR EXISTS (SELECT 1 FROM import_run WHERE source = OLD.name) THEN
    CALL refuse(CONCAT('source ', quoted(OLD.name), ' still has claims or runs: first DELETE FROM import_claim and import_run WHERE source = ',
                       QUOTE(OLD.name)));
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER source_after_insert AFTER INSERT ON source FOR EACH ROW
CALL record_change('source', NEW.name, NULL, source_json(NEW.name, NEW.account, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER source_after_update AFTER UPDATE ON source FOR EACH ROW
CALL record_update('source', OLD.name, NEW.name, source_json(OLD.name, OLD.account, OLD.note),
                   source_json(NEW.name, NEW.account, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER source_after_delete AFTER DELETE ON source FOR EACH ROW
CALL record_change('source', OLD.name, source_json(OLD.name, OLD.account, OLD.note), NULL)//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER service_before_insert BEFORE INSERT ON service FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('the switch belongs to people: an importer''s account may not change it');
  ELSEIF NEW.answering NOT IN ('yes', 'no') THEN
    CALL refuse('answering is yes or no');
  END IF;
  SET NEW.note = NULLIF(NEW.note, ''), NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER service_before_update BEFORE UPDATE ON service FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('the switch belongs to people: an importer''s account may not change it');
  ELSEIF NEW.answering NOT IN ('yes', 'no') THEN
    CALL refuse('answering is yes or no');
  END IF;
  SET NEW.note = NULLIF(NEW.note, '');
  IF service_json(NEW.answering, NEW.note) = service_json(OLD.answering, OLD.note) THEN
    SET NEW.updated_at = OLD.updated_at, NEW.updated_by = OLD.updated_by;
  ELSE
    SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER service_before_delete BEFORE DELETE ON service FOR EACH ROW
CALL refuse('the row of service stays: to have lookups answered from the snapshot, UPDATE service SET answering = ''no''')//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER service_after_insert AFTER INSERT ON service FOR EACH ROW
CALL record_change('service', 'service', NULL, service_json(NEW.answering, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER service_after_update AFTER UPDATE ON service FOR EACH ROW
CALL record_change('service', 'service', service_json(OLD.answering, OLD.note), service_json(NEW.answering, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER domain_before_insert BEFORE INSERT ON domain FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  DECLARE text VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE had_enabled BOOLEAN;
  DECLARE had_recipients VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE had_owner VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE had_note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  -- an import makes many rows: a CALL that refuses nothing is not free
  SET text = COALESCE(name_error(NEW.name), route_error(NULLIF(NEW.route, '')));
  IF text IS NOT NULL THEN
    CALL refuse(text);
  END IF;
  IF COALESCE(NEW.recipients, '') NOT IN ('any', 'listed') THEN
    CALL refuse('recipients is ''any'' or ''listed''');
  ELSEIF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  END IF;
  SET NEW.name = name_fold(NEW.name), NEW.relay = LOWER(NULLIF(NEW.relay, '')), NEW.route = NULLIF(NEW.route, ''),
      NEW.owner = NULLIF(NEW.owner, ''), NEW.note = NULLIF(NEW.note, ''), NEW.source = NULLIF(NEW.source, '');
  IF NEW.owner REGEXP '\\A[[:space:]]|[[:space:]]\\z|[[:cntrl:]]' THEN
    CALL refuse(CONCAT(quoted(NEW.owner), ' has a blank before or after it, or a control character: owner is the user name of a tenant'));
  ELSEIF NEW.relay IS NOT NULL AND NOT EXISTS (SELECT 1 FROM relay WHERE name = NEW.relay) THEN
    CALL refuse(CONCAT('there is no relay ', quoted(NEW.relay), ': the table relay shows them'));
  END IF;
  IF acting IS NULL THEN
    IF NEW.source IS NOT NULL AND NOT EXISTS (SELECT 1 FROM source WHERE name = NEW.source) THEN
      CALL refuse(CONCAT('there is no source ', quoted(NEW.source), ': the table source shows them; NULL means a row of people'));
    END IF;
  ELSE
    IF NEW.source <> acting THEN
      CALL refuse(CONCAT('this session acts for ', acting, ' and may not make rows of ', quoted(NEW.source)));
    ELSEIF NOT NEW.enabled OR NEW.owner IS NOT NULL OR NEW.note IS NOT NULL THEN
      CALL refuse('enabled, owner and note are people''s: an importer does not write them');
    END IF;
    SET NEW.source = acting;
    -- what people had set when the row was deleted, whichever source had it then
    IF EXISTS (SELECT 1 FROM import_claim WHERE name = NEW.name AND kept_at IS NOT NULL) THEN
      SELECT kept_enabled, kept_recipients, kept_owner, kept_note
        INTO had_enabled, had_recipients, had_owner, had_note
        FROM import_claim WHERE name = NEW.name AND kept_at IS NOT NULL ORDER BY kept_at DESC LIMIT 1;
      SET NEW.enabled = COALESCE(had_enabled, NEW.enabled), NEW.recipients = COALESCE(had_recipients, NEW.recipients),
          NEW.owner = had_owner, NEW.note = had_note;
    END IF;
  END IF;
  SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER domain_before_update BEFORE UPDATE ON domain FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  SET NEW.relay = LOWER(NULLIF(NEW.relay, '')), NEW.route = NULLIF(NEW.route, ''),
      NEW.owner = NULLIF(NEW.owner, ''), NEW.note = NULLIF(NEW.note, ''), NEW.source = NULLIF(NEW.source, '');
  IF NEW.name <> OLD.name THEN
    CALL refuse(name_error(NEW.name));
    SET NEW.name = name_fold(NEW.name);
  END IF;
  IF NOT (NEW.route <=> OLD.route) THEN
    CALL refuse(route_error(NEW.route));
  END IF;
  IF COALESCE(NEW.recipients, '') NOT IN ('any', 'listed') THEN
    CALL refuse('recipients is ''any'' or ''listed''');
  ELSEIF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  ELSEIF NOT (NEW.owner <=> OLD.owner) AND NEW.owner REGEXP '\\A[[:space:]]|[[:space:]]\\z|[[:cntrl:]]' THEN
    CALL refuse(CONCAT(quoted(NEW.owner), ' has a blank before or after it, or a control character: owner is the user name of a tenant'));
  ELSEIF NOT (NEW.relay <=> OLD.relay) AND NEW.relay IS NOT NULL AND NOT EXISTS (SELECT 1 FROM relay WHERE name = NEW.relay) THEN
    CALL refuse(CONCAT('there is no relay ', quoted(NEW.relay), ': the table relay shows them'));
  END IF;
  IF acting IS NULL THEN
    IF NOT (NEW.source <=> OLD.source) THEN
      IF NEW.source IS NOT NULL AND NOT EXISTS (SELECT 1 FROM source WHERE name = NEW.source) THEN
        CALL refuse(CONCAT('there is no source ', quoted(NEW.source), ': the table source shows them; NULL means a row of people'));
      END IF;
    ELSEIF OLD.source IS NOT NULL AND NOT (NEW.name = OLD.name AND NEW.relay <=> OLD.relay AND NEW.route <=> OLD.route) THEN
      -- the row becomes the person's; a relay that he chose must not lose against the importer's route
      SET NEW.source = NULL;
      IF NEW.relay IS NOT NULL AND NOT (NEW.relay <=> OLD.relay) AND NEW.route <=> OLD.route THEN
        SET NEW.route = NULL;
      END IF;
    END IF;
    -- who owns a row is its tenant, and chooses among the relays that he was given
    IF OLD.owner = session_account() AND NOT (NEW.relay <=> OLD.relay)
       AND NOT EXISTS (SELECT 1 FROM relay_tenant WHERE tenant = OLD.owner AND relay = NEW.relay) THEN
      CALL refuse(CONCAT('relay ', COALESCE(quoted(NEW.relay), 'NULL'), ' is not among those that ', OLD.owner,
                         ' may choose for domains of his own: my_relay shows them'));
    END IF;
  ELSE
    IF NOT (OLD.source <=> acting) THEN
      CALL refuse(CONCAT(quoted(OLD.name), ' belongs to ', COALESCE(OLD.source, 'people'), ': ', acting, ' may not change it'));
    ELSEIF NEW.name <> OLD.name THEN
      CALL refuse(CONCAT('an importer does not rename a row: what people set on it is about ', quoted(OLD.name), '; it deletes it, and inserts the other'));
    ELSEIF NOT (NEW.enabled = OLD.enabled AND NEW.recipients = OLD.recipients AND NEW.owner <=> OLD.owner
                AND NEW.note COLLATE utf8mb4_nopad_bin <=> OLD.note) THEN
      CALL refuse('enabled, owner, note and recipients are people''s: an importer does not change them');
    ELSEIF NEW.source IS NULL THEN
      CALL refuse(CONCAT(quoted(OLD.name), ': an importer does not give rows to people; it deletes them, or passes them to a source that claims them'));
    ELSEIF NEW.source <> acting THEN
      -- the row passes to another source: only to one that claims it, and with that one's route
      IF NOT EXISTS (SELECT 1 FROM import_claim WHERE source = NEW.source AND name = NEW.name AND gone_since IS NULL) THEN
        CALL refuse(CONCAT(quoted(OLD.name), ' is not claimed by ', quoted(NEW.source), ': it cannot pass to it'));
      END IF;
      SET NEW.relay = OLD.relay, NEW.route = OLD.route;
      -- a zone can ask for a relay that nobody has made: until then mail goes as before
      IF EXISTS (SELECT 1 FROM import_claim c LEFT JOIN relay r ON r.name = c.relay
                 WHERE c.source = NEW.source AND c.name = NEW.name AND (c.relay IS NULL OR r.name IS NOT NULL)) THEN
        SET NEW.relay = (SELECT relay FROM import_claim WHERE source = NEW.source AND name = NEW.name),
            NEW.route = (SELECT route FROM import_claim WHERE source = NEW.source AND name = NEW.name);
      END IF;
    END IF;
  END IF;
  IF domain_json(NEW.name, NEW.relay, NEW.route, NEW.recipients, NEW.enabled, NEW.owner, NEW.note, NEW.source) =
     domain_json(OLD.name, OLD.relay, OLD.route, OLD.recipients, OLD.enabled, OLD.owner, OLD.note, OLD.source) THEN
    SET NEW.updated_at = OLD.updated_at, NEW.updated_by = OLD.updated_by;
  ELSE
    SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER domain_before_delete BEFORE DELETE ON domain FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  DECLARE other VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  IF acting IS NULL THEN
    IF OLD.source IS NOT NULL THEN
      CALL refuse(CONCAT(quoted(OLD.name), ' belongs to ', OLD.source, ', which would bring it back. To refuse its mail: UPDATE domain SET enabled = 0 WHERE name = ',
                         QUOTE(LEFT(OLD.name, 255))));
    END IF;
  ELSE
    IF NOT (OLD.source <=> acting) THEN
      CALL refuse(CONCAT(quoted(OLD.name), ' belongs to ', COALESCE(OLD.source, 'people'), ': ', acting, ' may not delete it'));
    END IF;
    SET other = (SELECT source FROM import_claim WHERE name = OLD.name AND source <> acting AND gone_since IS NULL
                 ORDER BY source LIMIT 1);
    IF other IS NOT NULL THEN
      CALL refuse(CONCAT(quoted(OLD.name), ' is still claimed by ', other, ': pass it on with UPDATE domain SET source = ', QUOTE(other)));
    END IF;
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER domain_after_insert AFTER INSERT ON domain FOR EACH ROW
INSERT INTO history (at, who, connection, table_name, row_key, action, new)
VALUES (SYSDATE(6), USER(), CONNECTION_ID(), 'domain', NEW.name, 'insert',
        domain_json(NEW.name, NEW.relay, NEW.route, NEW.recipients, NEW.enabled, NEW.owner, NEW.note, NEW.source))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER domain_after_update AFTER UPDATE ON domain FOR EACH ROW
BEGIN
  CALL record_update('domain', OLD.name, NEW.name,
                     domain_json(OLD.name, OLD.relay, OLD.route, OLD.recipients, OLD.enabled, OLD.owner, OLD.note, OLD.source),
                     domain_json(NEW.name, NEW.relay, NEW.route, NEW.recipients, NEW.enabled, NEW.owner, NEW.note, NEW.source));
  IF NEW.name <> OLD.name THEN
    CALL forget_kept('domain', OLD.name);
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER domain_after_delete AFTER DELETE ON domain FOR EACH ROW
BEGIN
  CALL record_change('domain', OLD.name,
                     domain_json(OLD.name, OLD.relay, OLD.route, OLD.recipients, OLD.enabled, OLD.owner, OLD.note, OLD.source), NULL);
  IF OLD.source IS NOT NULL THEN
    INSERT INTO import_claim (source, name, relay, route, gone_since, kept_enabled, kept_recipients, kept_owner, kept_note, kept_at)
    VALUES (OLD.source, OLD.name, OLD.relay, OLD.route, CURRENT_TIMESTAMP, OLD.enabled, OLD.recipients, OLD.owner, OLD.note, SYSDATE(6))
    ON DUPLICATE KEY UPDATE gone_since = COALESCE(gone_since, VALUES(gone_since)),
      kept_enabled = VALUES(kept_enabled), kept_recipients = VALUES(kept_recipients),
      kept_owner = VALUES(kept_owner), kept_note = VALUES(kept_note), kept_at = VALUES(kept_at);
  ELSEIF EXISTS (SELECT 1 FROM import_claim WHERE name = OLD.name AND kept_at IS NOT NULL) THEN
    CALL forget_kept('domain', OLD.name);
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER recipient_before_insert BEFORE INSERT ON recipient FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  DECLARE text VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE had_enabled BOOLEAN;
  DECLARE had_note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE CONTINUE HANDLER FOR NOT FOUND BEGIN END;
  -- an import makes many rows: a CALL that refuses nothing is not free
  SET text = COALESCE(address_error(NEW.address), route_error(NULLIF(NEW.route, '')));
  IF text IS NOT NULL THEN
    CALL refuse(text);
  END IF;
  IF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  END IF;
  SET NEW.address = address_fold(NEW.address), NEW.route = NULLIF(NEW.route, ''),
      NEW.note = NULLIF(NEW.note, ''), NEW.source = NULLIF(NEW.source, '');
  IF acting IS NULL THEN
    IF NEW.source IS NOT NULL AND NOT EXISTS (SELECT 1 FROM source WHERE name = NEW.source) THEN
      CALL refuse(CONCAT('there is no source ', quoted(NEW.source), ': the table source shows them; NULL means a row of people'));
    END IF;
  ELSE
    IF NEW.source <> acting THEN
      CALL refuse(CONCAT('this session acts for ', acting, ' and may not make rows of ', quoted(NEW.source)));
    ELSEIF NOT NEW.enabled OR NEW.note IS NOT NULL THEN
      CALL refuse('enabled and note are people''s: an importer does not write them');
    END IF;
    SET NEW.source = acting;
    SELECT kept_enabled, kept_note INTO had_enabled, had_note
      FROM import_claim WHERE name = NEW.address AND kept_at IS NOT NULL ORDER BY kept_at DESC LIMIT 1;
    SET NEW.enabled = COALESCE(had_enabled, NEW.enabled), NEW.note = had_note;
  END IF;
  SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER recipient_before_update BEFORE UPDATE ON recipient FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  SET NEW.route = NULLIF(NEW.route, ''), NEW.note = NULLIF(NEW.note, ''), NEW.source = NULLIF(NEW.source, '');
  IF NEW.address <> OLD.address THEN
    CALL refuse(address_error(NEW.address));
    SET NEW.address = address_fold(NEW.address);
  END IF;
  IF NOT (NEW.route <=> OLD.route) THEN
    CALL refuse(route_error(NEW.route));
  END IF;
  IF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  END IF;
  IF acting IS NULL THEN
    IF NOT (NEW.source <=> OLD.source) THEN
      IF NEW.source IS NOT NULL AND NOT EXISTS (SELECT 1 FROM source WHERE name = NEW.source) THEN
        CALL refuse(CONCAT('there is no source ', quoted(NEW.source), ': the table source shows them; NULL means a row of people'));
      END IF;
    ELSEIF OLD.source IS NOT NULL AND NOT (NEW.address = OLD.address AND NEW.route <=> OLD.route) THEN
      SET NEW.source = NULL;
    END IF;
  ELSE
    IF NOT (OLD.source <=> acting) THEN
      CALL refuse(CONCAT(quoted(OLD.address), ' belongs to ', COALESCE(OLD.source, 'people'), ': ', acting, ' may not change it'));
    ELSEIF NEW.address <> OLD.address THEN
      CALL refuse(CONCAT('an importer does not rename a row: what people set on it is about ', quoted(OLD.address), '; it deletes it, and inserts the other'));
    ELSEIF NOT (NEW.source <=> acting) THEN
      CALL refuse(CONCAT('this session acts for ', acting, ' and may not give its rows to others'));
    ELSEIF NOT (NEW.enabled = OLD.enabled AND NEW.note <=> OLD.note) THEN
      CALL refuse('enabled and note are people''s: an importer does not change them');
    END IF;
  END IF;
  IF recipient_json(NEW.address, NEW.route, NEW.enabled, NEW.note, NEW.source) =
     recipient_json(OLD.address, OLD.route, OLD.enabled, OLD.note, OLD.source) THEN
    SET NEW.updated_at = OLD.updated_at, NEW.updated_by = OLD.updated_by;
  ELSE
    SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER recipient_before_delete BEFORE DELETE ON recipient FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  IF acting IS NULL THEN
    IF OLD.source IS NOT NULL THEN
      CALL refuse(CONCAT(quoted(OLD.address), ' belongs to ', OLD.source, ', which would bring it back. To refuse its mail: UPDATE recipient SET enabled = 0 WHERE address = ',
                         LEFT(QUOTE(OLD.address), 250)));
    END IF;
  ELSEIF NOT (OLD.source <=> acting) THEN
    CALL refuse(CONCAT(quoted(OLD.address), ' belongs to ', COALESCE(OLD.source, 'people'), ': ', acting, ' may not delete it'));
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER recipient_after_insert AFTER INSERT ON recipient FOR EACH ROW
CALL record_change('recipient', NEW.address, NULL,
                   recipient_json(NEW.address, NEW.route, NEW.enabled, NEW.note, NEW.source))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER recipient_after_update AFTER UPDATE ON recipient FOR EACH ROW
BEGIN
  CALL record_update('recipient', OLD.address, NEW.address,
                     recipient_json(OLD.address, OLD.route, OLD.enabled, OLD.note, OLD.source),
                     recipient_json(NEW.address, NEW.route, NEW.enabled, NEW.note, NEW.source));
  IF NEW.address <> OLD.address THEN
    CALL forget_kept('recipient', OLD.address);
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER recipient_after_delete AFTER DELETE ON recipient FOR EACH ROW
BEGIN
  CALL record_change('recipient', OLD.address,
                     recipient_json(OLD.address, OLD.route, OLD.enabled, OLD.note, OLD.source), NULL);
  IF OLD.source IS NOT NULL AND (NOT OLD.enabled OR OLD.note IS NOT NULL) THEN
    INSERT INTO import_claim (source, name, route, gone_since, kept_enabled, kept_note, kept_at)
    VALUES (OLD.source, OLD.address, OLD.route, CURRENT_TIMESTAMP, OLD.enabled, OLD.note, SYSDATE(6))
    ON DUPLICATE KEY UPDATE gone_since = COALESCE(gone_since, VALUES(gone_since)),
      kept_enabled = VALUES(kept_enabled), kept_note = VALUES(kept_note), kept_at = VALUES(kept_at);
  ELSEIF OLD.source IS NULL AND EXISTS (SELECT 1 FROM import_claim WHERE name = OLD.address AND kept_at IS NOT NULL) THEN
    CALL forget_kept('recipient', OLD.address);
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER alias_before_insert BEFORE INSERT ON alias FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('aliases belong to people: an importer''s account may not change them');
  END IF;
  CALL refuse(COALESCE(alias_error(NEW.address), goto_error(NEW.goto)));
  IF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  END IF;
  SET NEW.address = address_fold(NEW.address), NEW.note = NULLIF(NEW.note, ''),
      NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER alias_before_update BEFORE UPDATE ON alias FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('aliases belong to people: an importer''s account may not change them');
  END IF;
  CALL refuse(COALESCE(alias_error(NEW.address), goto_error(NEW.goto)));
  IF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  END IF;
  SET NEW.address = address_fold(NEW.address), NEW.note = NULLIF(NEW.note, '');
  IF alias_json(NEW.address, NEW.goto, NEW.enabled, NEW.note) = alias_json(OLD.address, OLD.goto, OLD.enabled, OLD.note) THEN
    SET NEW.updated_at = OLD.updated_at, NEW.updated_by = OLD.updated_by;
  ELSE
    SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER alias_before_delete BEFORE DELETE ON alias FOR EACH ROW
IF acting_source() IS NOT NULL THEN
  CALL refuse('aliases belong to people: an importer''s account may not change them');
END IF//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER alias_after_insert AFTER INSERT ON alias FOR EACH ROW
CALL record_change('alias', NEW.address, NULL, alias_json(NEW.address, NEW.goto, NEW.enabled, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER alias_after_update AFTER UPDATE ON alias FOR EACH ROW
CALL record_update('alias', OLD.address, NEW.address, alias_json(OLD.address, OLD.goto, OLD.enabled, OLD.note),
                   alias_json(NEW.address, NEW.goto, NEW.enabled, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER alias_after_delete AFTER DELETE ON alias FOR EACH ROW
CALL record_change('alias', OLD.address, alias_json(OLD.address, OLD.goto, OLD.enabled, OLD.note), NULL)//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER access_before_insert BEFORE INSERT ON access FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('access rules belong to people: an importer''s account may not change them');
  ELSEIF NEW.map NOT IN ('client', 'sender', 'recipient') THEN
    CALL refuse('map is ''client'', ''sender'' or ''recipient''');
  END IF;
  CALL refuse(pattern_error(NEW.map, NEW.pattern));
  IF NEW.action REGEXP '\\A *\\z' THEN
    CALL refuse('action is empty: write it as in access(5), such as OK or REJECT text');
  ELSEIF NEW.action REGEXP '\\A | \\z|[[:cntrl:]]' THEN
    CALL refuse(CONCAT(quoted(NEW.action), ' has a blank before or after it, or a control character: write it as in access(5)'));
  ELSEIF CHAR_LENGTH(NEW.action) > 500 THEN
    CALL refuse('action has more than 500 characters');
  ELSEIF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  END IF;
  SET NEW.pattern = pattern_fold(NEW.pattern), NEW.note = NULLIF(NEW.note, ''),
      NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER access_before_update BEFORE UPDATE ON access FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('access rules belong to people: an importer''s account may not change them');
  ELSEIF NEW.map NOT IN ('client', 'sender', 'recipient') THEN
    CALL refuse('map is ''client'', ''sender'' or ''recipient''');
  END IF;
  CALL refuse(pattern_error(NEW.map, NEW.pattern));
  IF NEW.action REGEXP '\\A *\\z' THEN
    CALL refuse('action is empty: write it as in access(5), such as OK or REJECT text');
  ELSEIF NEW.action REGEXP '\\A | \\z|[[:cntrl:]]' THEN
    CALL refuse(CONCAT(quoted(NEW.action), ' has a blank before or after it, or a control character: write it as in access(5)'));
  ELSEIF CHAR_LENGTH(NEW.action) > 500 THEN
    CALL refuse('action has more than 500 characters');
  ELSEIF COALESCE(NEW.enabled, 2) NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  END IF;
  SET NEW.pattern = pattern_fold(NEW.pattern), NEW.note = NULLIF(NEW.note, '');
  IF access_json(NEW.map, NEW.pattern, NEW.action, NEW.enabled, NEW.note) =
     access_json(OLD.map, OLD.pattern, OLD.action, OLD.enabled, OLD.note) THEN
    SET NEW.updated_at = OLD.updated_at, NEW.updated_by = OLD.updated_by;
  ELSE
    SET NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER access_before_delete BEFORE DELETE ON access FOR EACH ROW
IF acting_source() IS NOT NULL THEN
  CALL refuse('access rules belong to people: an importer''s account may not change them');
END IF//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER access_after_insert AFTER INSERT ON access FOR EACH ROW
CALL record_change('access', CONCAT(NEW.map, ' ', NEW.pattern), NULL,
                   access_json(NEW.map, NEW.pattern, NEW.action, NEW.enabled, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER access_after_update AFTER UPDATE ON access FOR EACH ROW
CALL record_update('access', CONCAT(OLD.map, ' ', OLD.pattern), CONCAT(NEW.map, ' ', NEW.pattern),
                   access_json(OLD.map, OLD.pattern, OLD.action, OLD.enabled, OLD.note),
                   access_json(NEW.map, NEW.pattern, NEW.action, NEW.enabled, NEW.note))//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER access_after_delete AFTER DELETE ON access FOR EACH ROW
CALL record_change('access', CONCAT(OLD.map, ' ', OLD.pattern),
                   access_json(OLD.map, OLD.pattern, OLD.action, OLD.enabled, OLD.note), NULL)//

-- Importers write claims and runs of their own source. The columns kept_* are out of their reach by
-- the rights of lookupd_importer: a trigger cannot tell them from the triggers of domain.
CREATE DEFINER = lookupd_definer@localhost
TRIGGER import_claim_before_insert BEFORE INSERT ON import_claim FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  DECLARE text VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  IF NEW.source <> acting THEN
    CALL refuse(CONCAT('this session acts for ', acting, ' and may not claim for ', quoted(NEW.source)));
  END IF;
  SET text = COALESCE(IF(NEW.name LIKE '%@%', address_error(NEW.name), name_error(NEW.name)), route_error(NEW.route));
  IF text IS NOT NULL THEN
    CALL refuse(text);
  END IF;
  SET NEW.name = IF(NEW.name LIKE '%@%', address_fold(NEW.name), name_fold(NEW.name)), NEW.relay = LOWER(NULLIF(NEW.relay, ''));
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER import_claim_before_update BEFORE UPDATE ON import_claim FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  IF NEW.source <> acting OR OLD.source <> acting THEN
    CALL refuse(CONCAT('this session acts for ', acting, ' and may not change claims of others'));
  ELSEIF acting IS NOT NULL AND NEW.name <> OLD.name THEN
    CALL refuse(CONCAT('a claim keeps its name: what it keeps for people is about ', quoted(OLD.name)));
  END IF;
  SET NEW.relay = LOWER(NULLIF(NEW.relay, ''));
  IF NEW.name <> OLD.name THEN
    CALL refuse(IF(NEW.name LIKE '%@%', address_error(NEW.name), name_error(NEW.name)));
    SET NEW.name = IF(NEW.name LIKE '%@%', address_fold(NEW.name), name_fold(NEW.name));
  END IF;
  IF NOT (NEW.route <=> OLD.route) THEN
    CALL refuse(route_error(NEW.route));
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER import_claim_before_delete BEFORE DELETE ON import_claim FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  IF OLD.source <> acting THEN
    CALL refuse(CONCAT('this session acts for ', acting, ' and may not delete claims of others'));
  ELSEIF acting IS NOT NULL AND OLD.kept_at IS NOT NULL THEN
    CALL refuse(CONCAT('the claim of ', quoted(OLD.name), ' keeps what people had set on its row: an importer does not delete it'));
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER import_run_before_insert BEFORE INSERT ON import_run FOR EACH ROW
IF NEW.source <> acting_source() THEN
  CALL refuse(CONCAT('this session acts for ', acting_source(), ' and may not write runs of ', quoted(NEW.source)));
END IF//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER import_run_before_update BEFORE UPDATE ON import_run FOR EACH ROW
BEGIN
  DECLARE acting VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT acting_source();
  IF NEW.source <> acting OR OLD.source <> acting THEN
    CALL refuse(CONCAT('this session acts for ', acting, ' and may not change runs of others'));
  END IF;
END//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER import_run_before_delete BEFORE DELETE ON import_run FOR EACH ROW
IF OLD.source <> acting_source() THEN
  CALL refuse(CONCAT('this session acts for ', acting_source(), ' and may not delete runs of others'));
END IF//

CREATE DEFINER = lookupd_definer@localhost
TRIGGER history_before_update BEFORE UPDATE ON history FOR EACH ROW
CALL refuse('history is not rewritten: CALL prune_history(days) removes what is old')//

-- ---------------------------------------------------------------------------------------------
-- 6. Procedures, and the event.

-- What happened to a row, oldest first: CALL row_history('domain', 'example.com').
CREATE DEFINER = lookupd_definer@localhost
PROCEDURE row_history(IN in_table VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                      IN in_key VARCHAR(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
READS SQL DATA SQL SECURITY INVOKER
COMMENT 'what happened to a row, oldest first: table, key'
SELECT id, at, who, action, old, new FROM history WHERE table_name = in_table AND row_key = in_key ORDER BY id//

-- Makes a row what it was at a time: changes it, brings it back, or deletes it when it was not there.
-- It is done as the caller, and through the same triggers as by hand.
CREATE DEFINER = lookupd_definer@localhost
PROCEDURE restore_row(IN in_table VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                      IN in_key VARCHAR(400) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                      IN in_time DATETIME(6))
MODIFIES SQL DATA SQL SECURITY INVOKER
COMMENT 'makes a row what it was at a time: table, key, time'
BEGIN
  DECLARE found BOOLEAN DEFAULT TRUE;
  DECLARE here BOOLEAN;
  DECLARE pruned DATETIME(6);
  DECLARE had_source VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE was LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE CONTINUE HANDLER FOR NOT FOUND SET found = FALSE;
  IF in_table NOT IN ('relay', 'relay_tenant', 'source', 'domain', 'recipient', 'alias', 'access', 'service') THEN
    CALL refuse(CONCAT('table ', quoted(in_table), ' has no history: it is kept for relay, relay_tenant, source, domain, recipient, alias, access, service'));
  ELSEIF in_time IS NULL THEN
    CALL refuse('the time is missing: write it as in ''2026-01-31 09:00:00''');
  END IF;
  SET pruned = (SELECT MAX(FROM_UNIXTIME(JSON_VALUE(new, '$.before'))) FROM history
                WHERE row_key = 'history' AND table_name = 'history' AND action = 'prune');
  IF in_time < pruned THEN
    CALL refuse(CONCAT('history before ', pruned, ' was pruned: nobody knows what the row was then'));
  END IF;
  SELECT new INTO was FROM history
    WHERE table_name = in_table AND row_key = in_key AND at <= in_time ORDER BY at DESC, id DESC LIMIT 1;
  IF NOT found THEN
    SET found = TRUE;
    SELECT old INTO was FROM history
      WHERE table_name = in_table AND row_key = in_key AND at > in_time ORDER BY at, id LIMIT 1;
    IF NOT found THEN
      CALL refuse(CONCAT('history knows no change of ', quoted(in_key), ' in table ', in_table, ': look there how the key is written'));
    END IF;
  END IF;
  -- the row of a source that is gone becomes people's
  IF in_table IN ('domain', 'recipient') THEN
    SET had_source = (SELECT name FROM source WHERE name = JSON_VALUE(was, '$.source'));
  END IF;
  CASE in_table
  WHEN 'relay' THEN
    SET here = EXISTS (SELECT 1 FROM relay WHERE name = in_key);
    IF was IS NULL THEN
      DELETE FROM relay WHERE name = in_key;
    ELSEIF here THEN
      UPDATE relay SET transport = JSON_VALUE(was, '$.transport'), nexthop = JSON_VALUE(was, '$.nexthop'),
        enabled = JSON_VALUE(was, '$.enabled'), note = JSON_VALUE(was, '$.note') WHERE name = in_key;
    ELSE
      INSERT INTO relay (name, transport, nexthop, enabled, note)
      VALUES (in_key, JSON_VALUE(was, '$.transport'), JSON_VALUE(was, '$.nexthop'), JSON_VALUE(was, '$.enabled'), JSON_VALUE(was, '$.note'));
    END IF;
  WHEN 'relay_tenant' THEN
    IF was IS NULL THEN
      -- a user name may have blanks, a relay's name has none
      DELETE FROM relay_tenant WHERE CONCAT(tenant, ' ', relay) = in_key AND relay = SUBSTRING_INDEX(in_key, ' ', -1);
    ELSEIF NOT EXISTS (SELECT 1 FROM relay_tenant WHERE tenant = JSON_VALUE(was, '$.tenant') AND relay = JSON_VALUE(was, '$.relay')) THEN
      INSERT INTO relay_tenant (relay, tenant) VALUES (JSON_VALUE(was, '$.relay'), JSON_VALUE(was, '$.tenant'));
    END IF;
  WHEN 'source' THEN
    SET here = EXISTS (SELECT 1 FROM source WHERE name = in_key);
    IF was IS NULL THEN
      DELETE FROM source WHERE name = in_key;
    ELSEIF here THEN
      UPDATE source SET account = JSON_VALUE(was, '$.account'), note = JSON_VALUE(was, '$.note') WHERE name = in_key;
    ELSE
      INSERT INTO source (name, account, note) VALUES (in_key, JSON_VALUE(was, '$.account'), JSON_VALUE(was, '$.note'));
    END IF;
  WHEN 'domain' THEN
    SET here = EXISTS (SELECT 1 FROM domain WHERE name = in_key);
    IF was IS NULL THEN
      DELETE FROM domain WHERE name = in_key;
    ELSEIF here THEN
      UPDATE domain SET relay = JSON_VALUE(was, '$.relay'), route = JSON_VALUE(was, '$.route'),
        recipients = JSON_VALUE(was, '$.recipients'), enabled = JSON_VALUE(was, '$.enabled'),
        owner = JSON_VALUE(was, '$.owner'), note = JSON_VALUE(was, '$.note'), source = had_source
      WHERE name = in_key;
    ELSE
      INSERT INTO domain (name, relay, route, recipients, enabled, owner, note, source)
      VALUES (in_key, JSON_VALUE(was, '$.relay'), JSON_VALUE(was, '$.route'), JSON_VALUE(was, '$.recipients'),
              JSON_VALUE(was, '$.enabled'), JSON_VALUE(was, '$.owner'), JSON_VALUE(was, '$.note'), had_source);
    END IF;
  WHEN 'recipient' THEN
    SET here = EXISTS (SELECT 1 FROM recipient WHERE address = in_key);
    IF was IS NULL THEN
      DELETE FROM recipient WHERE address = in_key;
    ELSEIF here THEN
      UPDATE recipient SET route = JSON_VALUE(was, '$.route'), enabled = JSON_VALUE(was, '$.enabled'),
        note = JSON_VALUE(was, '$.note'), source = had_source WHERE address = in_key;
    ELSE
      INSERT INTO recipient (address, route, enabled, note, source)
      VALUES (in_key, JSON_VALUE(was, '$.route'), JSON_VALUE(was, '$.enabled'), JSON_VALUE(was, '$.note'), had_source);
    END IF;
  WHEN 'alias' THEN
    SET here = EXISTS (SELECT 1 FROM alias WHERE address = in_key);
    IF was IS NULL THEN
      DELETE FROM alias WHERE address = in_key;
    ELSEIF here THEN
      UPDATE alias SET goto = JSON_VALUE(was, '$.goto'), enabled = JSON_VALUE(was, '$.enabled'), note = JSON_VALUE(was, '$.note')
      WHERE address = in_key;
    ELSE
      INSERT INTO alias (address, goto, enabled, note)
      VALUES (in_key, JSON_VALUE(was, '$.goto'), JSON_VALUE(was, '$.enabled'), JSON_VALUE(was, '$.note'));
    END IF;
  WHEN 'access' THEN
    SET here = EXISTS (SELECT 1 FROM access WHERE map = SUBSTRING_INDEX(in_key, ' ', 1) AND pattern = SUBSTRING(in_key, LOCATE(' ', in_key) + 1));
    IF was IS NULL THEN
      DELETE FROM access WHERE map = SUBSTRING_INDEX(in_key, ' ', 1) AND pattern = SUBSTRING(in_key, LOCATE(' ', in_key) + 1);
    ELSEIF here THEN
      UPDATE access SET action = JSON_VALUE(was, '$.action'), enabled = JSON_VALUE(was, '$.enabled'), note = JSON_VALUE(was, '$.note')
      WHERE map = JSON_VALUE(was, '$.map') AND pattern = JSON_VALUE(was, '$.pattern');
    ELSE
      INSERT INTO access (map, pattern, action, enabled, note)
      VALUES (JSON_VALUE(was, '$.map'), JSON_VALUE(was, '$.pattern'), JSON_VALUE(was, '$.action'), JSON_VALUE(was, '$.enabled'), JSON_VALUE(was, '$.note'));
    END IF;
  WHEN 'service' THEN
    IF EXISTS (SELECT 1 FROM service) THEN
      UPDATE service SET answering = COALESCE(JSON_VALUE(was, '$.answering'), 'no'), note = JSON_VALUE(was, '$.note');
    ELSEIF was IS NOT NULL THEN
      INSERT INTO service (answering, note) VALUES (JSON_VALUE(was, '$.answering'), JSON_VALUE(was, '$.note'));
    END IF;
  END CASE;
END//

-- Makes people's recipients of one domain exactly those of a list, in one transaction, and touches
-- only rows that differ: CALL replace_recipients('example.com', '["info", "sales@example.com"]').
-- A row that stays keeps its route and note; one that was disabled is enabled; an importer's stay.
-- As the definer, for its temporary table: who may make one himself can put his own in the place of
-- history, or of source, and what the triggers write and read is that.
CREATE DEFINER = lookupd_definer@localhost
PROCEDURE replace_recipients(IN in_domain VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                             IN in_list LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
MODIFIES SQL DATA SQL SECURITY DEFINER
COMMENT 'replaces the recipients of one domain: domain, JSON list'
BEGIN
  DECLARE in_transaction BOOLEAN DEFAULT @@in_transaction;
  DECLARE d VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin DEFAULT name_fold(in_domain);
  DECLARE text VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
  DECLARE added, enabled_again, removed, kept INT;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    IF in_transaction THEN
      ROLLBACK TO SAVEPOINT replace_recipients;
    ELSE
      ROLLBACK;
    END IF;
    RESIGNAL;
  END;
  IF NOT in_transaction THEN
    START TRANSACTION;
  END IF;
  SAVEPOINT replace_recipients;
  CALL refuse(COALESCE(name_error(in_domain),
    IF(in_domain LIKE '.%', 'recipients belong to one domain: write it without the leading dot', NULL),
    IF(JSON_VALID(in_list) AND JSON_TYPE(in_list) = 'ARRAY', NULL, 'the second argument is a JSON list, as in ''["info@example.com", "sales"]'''),
    IF(JSON_LENGTH(in_list) = 0, CONCAT('an empty list would refuse all mail for ', d, '; if that is meant: DELETE FROM recipient WHERE domain = ', QUOTE(d)), NULL)));
  CREATE OR REPLACE TEMPORARY TABLE replace_recipients_list (
    given   VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL,
    address VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NULL,
    KEY (address)) ENGINE = InnoDB;
  INSERT INTO replace_recipients_list (given)
    SELECT IF(item LIKE '%@%', item, CONCAT(item, '@', d))
    FROM JSON_TABLE(in_list, '$[*]' COLUMNS (item VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin PATH '$' ERROR ON ERROR)) AS items;
  SET text = (SELECT MIN(IF(given IS NULL, 'the list has an item that is no text', address_error(given))) FROM replace_recipients_list);
  CALL refuse(text);
  UPDATE replace_recipients_list SET address = address_fold(given);
  SET text = (SELECT MIN(address) FROM replace_recipients_list WHERE SUBSTRING_INDEX(address, '@', -1) <> d);
  CALL refuse(CONCAT(quoted(text), ' does not belong to ', d));
  DELETE r FROM recipient r LEFT JOIN replace_recipients_list l ON l.address = r.address
    WHERE r.domain = d AND r.source IS NULL AND l.address IS NULL;
  SET removed = ROW_COUNT();
  UPDATE recipient r JOIN (SELECT DISTINCT address FROM replace_recipients_list) l ON l.address = r.address
    SET r.enabled = TRUE WHERE r.domain = d AND NOT r.enabled;
  SET enabled_again = ROW_COUNT();
  SET kept = (SELECT COUNT(*) FROM recipient WHERE domain = d);
  INSERT INTO recipient (address)
    SELECT DISTINCT l.address FROM replace_recipients_list l LEFT JOIN recipient r ON r.address = l.address WHERE r.address IS NULL;
  SET added = ROW_COUNT();
  DROP TEMPORARY TABLE replace_recipients_list;
  IF NOT in_transaction THEN
    COMMIT;
  END IF;
  SELECT added, enabled_again, removed, kept,
         (SELECT CASE WHEN MAX(recipients) IS NULL THEN 'the domain itself is not in table domain'
                      WHEN MAX(recipients) = 'any' THEN 'the domain takes any recipient: UPDATE domain SET recipients = ''listed'' makes the list count'
                      ELSE '' END FROM domain WHERE name = d) AS hint;
END//

-- Removes history that is older than so many days, in small transactions.
CREATE DEFINER = lookupd_definer@localhost
PROCEDURE prune_history(IN days INT)
MODIFIES SQL DATA SQL SECURITY DEFINER
COMMENT 'removes history older than so many days'
BEGIN
  DECLARE cutoff DATETIME(6) DEFAULT SYSDATE(6) - INTERVAL days DAY;
  DECLARE upto BIGINT UNSIGNED;
  IF days IS NULL OR days < 1 THEN
    CALL refuse('say how many days of history stay: at least 1');
  END IF;
  SET upto = (SELECT MAX(id) FROM history WHERE at < cutoff);
  IF upto IS NOT NULL THEN
    -- for restore_row, in whatever time zone that session is
    INSERT INTO history (at, who, connection, table_name, row_key, action, new)
    VALUES (SYSDATE(6), USER(), CONNECTION_ID(), 'history', 'history', 'prune', JSON_OBJECT('before', UNIX_TIMESTAMP(cutoff)));
    REPEAT
      DELETE FROM history WHERE id <= upto AND at < cutoff ORDER BY id LIMIT 5000;
    UNTIL ROW_COUNT() = 0 END REPEAT;
  END IF;
END//

-- Runs only where event_scheduler is ON, which it is not by default: sql/README.md.
CREATE DEFINER = lookupd_definer@localhost
EVENT prune_history_daily ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 03:17:00'
COMMENT 'keeps 400 days of history'
DO CALL prune_history(400)//

DELIMITER ;

-- ---------------------------------------------------------------------------------------------
-- 7. Views.

CREATE DEFINER = lookupd_definer@localhost SQL SECURITY INVOKER VIEW effective_route AS
SELECT d.name,
       CASE WHEN NOT d.enabled THEN 'retry:4.3.0 relaying for this domain is disabled'
            WHEN d.route IS NOT NULL THEN d.route
            WHEN d.relay IS NULL THEN 'relay:'
            WHEN r.enabled THEN CONCAT(r.transport, ':', r.nexthop)
            ELSE 'hold:' END AS answer,
       CASE WHEN NOT d.enabled THEN 'the domain is disabled: new mail is refused, queued mail waits'
            WHEN d.route IS NOT NULL THEN 'the domain has a route of its own'
            WHEN d.relay IS NULL THEN 'neither route nor relay: Postfix follows the MX'
            WHEN r.enabled THEN CONCAT('relay ', r.name)
            WHEN r.name IS NULL THEN CONCAT('relay ', d.relay, ' is gone: mail is accepted and kept')
            ELSE CONCAT('relay ', r.name, ' is disabled: mail is accepted and kept') END AS why,
       IF(d.enabled AND d.route IS NULL, d.relay, NULL) AS relay,
       d.recipients, d.enabled, COALESCE(d.source, 'people') AS source, d.updated_at, d.updated_by
FROM domain d LEFT JOIN relay r ON r.name = d.relay;

-- Tenants have rights on these views only. The views read the tables as the definer; USER() is the
-- one who asks. Indexes and order of joins are forced, so that his own rows are all that is read: a
-- condition of his would be tried on others' too, and warnings, errors and time would show them
-- (WHERE note + 0), and an UPDATE would lock them. No condition gets into my_relay, for its LIMIT; the
-- others could not be updated with one, and sql/README.md says what is left.
CREATE DEFINER = lookupd_definer@localhost SQL SECURITY DEFINER VIEW my_domain AS
SELECT name, relay, recipients, enabled, note, route, updated_at, updated_by
FROM domain FORCE INDEX (owner)
WHERE owner = CONVERT(LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1) USING utf8mb4)
WITH CASCADED CHECK OPTION;

CREATE DEFINER = lookupd_definer@localhost SQL SECURITY DEFINER VIEW my_recipient AS
SELECT r.address, r.enabled, r.note, r.route, r.updated_at, r.updated_by
FROM domain d FORCE INDEX (owner) STRAIGHT_JOIN recipient r FORCE INDEX (domain) ON r.domain = d.name
WHERE d.owner = CONVERT(LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1) USING utf8mb4)
WITH CASCADED CHECK OPTION;

CREATE DEFINER = lookupd_definer@localhost SQL SECURITY DEFINER VIEW my_relay AS
SELECT r.name, r.enabled, r.note
FROM relay r JOIN relay_tenant t ON t.relay = r.name
WHERE t.tenant = CONVERT(LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1) USING utf8mb4)
LIMIT 1000000;

-- ---------------------------------------------------------------------------------------------
-- 8. Rights. All but one on the current database only.

GRANT SELECT ON relay          TO lookupd_reader;
GRANT SELECT ON domain         TO lookupd_reader;
GRANT SELECT ON recipient      TO lookupd_reader;
GRANT SELECT ON alias          TO lookupd_reader;
GRANT SELECT ON access         TO lookupd_reader;
GRANT SELECT ON service        TO lookupd_reader;
GRANT SELECT ON schema_version TO lookupd_reader;
-- of the whole server, as it is there: to see how far a replica is behind (database.max_lag)
GRANT REPLICA MONITOR ON *.*   TO lookupd_reader;

GRANT SELECT ON relay          TO lookupd_importer;
GRANT SELECT ON source         TO lookupd_importer;
GRANT SELECT ON schema_version TO lookupd_importer;
GRANT SELECT, DELETE, INSERT (name, relay, route, recipients, source), UPDATE (name, relay, route, source)
  ON domain TO lookupd_importer;
GRANT SELECT, DELETE, INSERT (address, route, source), UPDATE (address, route, source)
  ON recipient TO lookupd_importer;
GRANT SELECT, DELETE, INSERT (source, name, relay, route, last_seen, gone_since), UPDATE (relay, route, last_seen, gone_since)
  ON import_claim TO lookupd_importer;
GRANT SELECT, INSERT, UPDATE, DELETE ON import_run TO lookupd_importer;

GRANT SELECT, INSERT, UPDATE, DELETE ON domain    TO lookupd_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON recipient TO lookupd_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON alias     TO lookupd_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON access    TO lookupd_operator;
GRANT SELECT, INSERT, UPDATE ON service           TO lookupd_operator;
GRANT SELECT ON relay           TO lookupd_operator;
GRANT SELECT ON relay_tenant    TO lookupd_operator;
GRANT SELECT ON source          TO lookupd_operator;
GRANT SELECT ON import_claim    TO lookupd_operator;
GRANT SELECT ON import_run      TO lookupd_operator;
GRANT SELECT ON history         TO lookupd_operator;
GRANT SELECT ON effective_route TO lookupd_operator;
GRANT SELECT ON schema_version  TO lookupd_operator;
GRANT EXECUTE ON PROCEDURE row_history        TO lookupd_operator;
GRANT EXECUTE ON PROCEDURE restore_row        TO lookupd_operator;
GRANT EXECUTE ON PROCEDURE replace_recipients TO lookupd_operator;
-- what restore_row calls, as the caller; and what refuses and folds, for whoever wants to ask it
GRANT EXECUTE ON PROCEDURE refuse             TO lookupd_operator;
GRANT EXECUTE ON FUNCTION quoted              TO lookupd_operator;
GRANT EXECUTE ON FUNCTION name_fold           TO lookupd_operator;
GRANT EXECUTE ON FUNCTION name_error          TO lookupd_operator;
GRANT EXECUTE ON FUNCTION local_fold          TO lookupd_operator;
GRANT EXECUTE ON FUNCTION local_error         TO lookupd_operator;
GRANT EXECUTE ON FUNCTION local_fold_error    TO lookupd_operator;
GRANT EXECUTE ON FUNCTION address_fold        TO lookupd_operator;
GRANT EXECUTE ON FUNCTION address_error       TO lookupd_operator;

GRANT lookupd_operator TO lookupd_admin;
GRANT INSERT, UPDATE, DELETE ON relay         TO lookupd_admin;
GRANT INSERT, UPDATE, DELETE ON relay_tenant  TO lookupd_admin;
GRANT INSERT, UPDATE, DELETE ON source        TO lookupd_admin;
GRANT UPDATE, DELETE ON import_claim          TO lookupd_admin;
GRANT DELETE ON import_run                    TO lookupd_admin;
GRANT EXECUTE ON PROCEDURE prune_history      TO lookupd_admin;

GRANT SELECT, UPDATE (relay, recipients, enabled, note) ON my_domain TO lookupd_tenant;
GRANT SELECT, UPDATE (enabled, note) ON my_recipient TO lookupd_tenant;
GRANT SELECT ON my_relay TO lookupd_tenant;

GRANT SELECT, SHOW VIEW ON * TO lookupd_auditor;
GRANT EXECUTE ON PROCEDURE row_history TO lookupd_auditor;

-- ---------------------------------------------------------------------------------------------
-- 9. The version, last: a load that stopped half-way is not taken for a schema.

INSERT INTO schema_version (version) VALUES (2);

SET sql_mode = @old_sql_mode, autocommit = @old_autocommit;
