-- Version 1 to 2: the table service, the switch for maintenance; a claim names its relay; an import's
-- row costs less; the fences around tenants, importers and the history have fewer holes. Load it as
-- root, or as an account that may create routines for others: mariadb lookupd < sql/upgrade/002.sql.
-- It changes no row that is there, and may be loaded again when it stopped half-way.

SET @old_sql_mode = @@sql_mode, @old_autocommit = @@autocommit, @old_lock_wait_timeout = @@lock_wait_timeout;
SET sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';
SET autocommit = 1;
-- What changes a table or its triggers waits for every open transaction that has read the table, and
-- all lookups wait behind it. A second they can; after "Lock wait timeout exceeded" load it again.
SET lock_wait_timeout = 1;
SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin;

DELIMITER //

BEGIN NOT ATOMIC
  IF NOT EXISTS (SELECT 1 FROM schema_version WHERE version = 1) THEN
    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'this file is for tables of version 1: SELECT version FROM schema_version';
  END IF;
END//

DELIMITER ;

CREATE TABLE IF NOT EXISTS service (
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

-- Before the triggers: the switch as it comes is no change that somebody made.
INSERT IGNORE INTO service (answering) VALUES ('yes');

ALTER TABLE import_claim ADD COLUMN IF NOT EXISTS
  relay VARCHAR(64) NULL COMMENT 'what it would set; need not be in the table relay' AFTER name;

ALTER TABLE recipient MODIFY COLUMN
  enabled BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'FALSE: mail for it is refused, unless an alias such as @example.com takes it';

DELIMITER //

-- A domain such as example.com, or .example.com.
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

-- Where an alias goes: addresses, or @domain for the same user there, parted by commas or blanks.
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
FUNCTION service_json(answering VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                      note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN JSON_OBJECT('answering', answering, 'note', note)//

-- The fence. NULL: the session is a person's. Otherwise its account stands in the table source, and
-- @lookupd_source must name one of that account's sources, which is returned.
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

-- One entry of the history; none when nothing changed. SYSDATE(): a session can SET timestamp, and one
-- that waited for a row would write of the time before the change that it waited for.
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

-- What was kept for a row, and came back with it, ends with that row: it is people's by now, and
-- they delete or rename it.
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
TRIGGER service_before_insert BEFORE INSERT ON service FOR EACH ROW
BEGIN
  IF acting_source() IS NOT NULL THEN
    CALL refuse('the switch belongs to people: an importer''s account may not change it');
  ELSEIF NEW.answering NOT IN ('yes', 'no') THEN
    CALL refuse('answering is yes or no');
  END IF;
  SET NEW.note = NULLIF(NEW.note, ''), NEW.updated_at = CURRENT_TIMESTAMP, NEW.updated_by = USER();
END//

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
TRIGGER service_before_delete BEFORE DELETE ON service FOR EACH ROW
CALL refuse('the row of service stays: to have lookups answered from the snapshot, UPDATE service SET answering = ''no''')//

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
TRIGGER service_after_insert AFTER INSERT ON service FOR EACH ROW
CALL record_change('service', 'service', NULL, service_json(NEW.answering, NEW.note))//

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
TRIGGER service_after_update AFTER UPDATE ON service FOR EACH ROW
CALL record_change('service', 'service', service_json(OLD.answering, OLD.note), service_json(NEW.answering, NEW.note))//

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
TRIGGER domain_after_insert AFTER INSERT ON domain FOR EACH ROW
INSERT INTO history (at, who, connection, table_name, row_key, action, new)
VALUES (SYSDATE(6), USER(), CONNECTION_ID(), 'domain', NEW.name, 'insert',
        domain_json(NEW.name, NEW.relay, NEW.route, NEW.recipients, NEW.enabled, NEW.owner, NEW.note, NEW.source))//

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
TRIGGER domain_after_update AFTER UPDATE ON domain FOR EACH ROW
BEGIN
  CALL record_update('domain', OLD.name, NEW.name,
                     domain_json(OLD.name, OLD.relay, OLD.route, OLD.recipients, OLD.enabled, OLD.owner, OLD.note, OLD.source),
                     domain_json(NEW.name, NEW.relay, NEW.route, NEW.recipients, NEW.enabled, NEW.owner, NEW.note, NEW.source));
  IF NEW.name <> OLD.name THEN
    CALL forget_kept('domain', OLD.name);
  END IF;
END//

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
TRIGGER recipient_after_update AFTER UPDATE ON recipient FOR EACH ROW
BEGIN
  CALL record_update('recipient', OLD.address, NEW.address,
                     recipient_json(OLD.address, OLD.route, OLD.enabled, OLD.note, OLD.source),
                     recipient_json(NEW.address, NEW.route, NEW.enabled, NEW.note, NEW.source));
  IF NEW.address <> OLD.address THEN
    CALL forget_kept('recipient', OLD.address);
  END IF;
END//

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

-- Importers write claims and runs of their own source. The columns kept_* are out of their reach by
-- the rights of lookupd_importer: a trigger cannot tell them from the triggers of domain.
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

-- Makes a row what it was at a time: changes it, brings it back, or deletes it when it was not there.
-- It is done as the caller, and through the same triggers as by hand.
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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
CREATE OR REPLACE DEFINER = lookupd_definer@localhost
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

DELIMITER ;

-- For replace_recipients; who may make temporary tables himself can put his own in the place of history.
GRANT CREATE TEMPORARY TABLES ON * TO lookupd_definer@localhost;

DELIMITER //

BEGIN NOT ATOMIC
  DECLARE CONTINUE HANDLER FOR 1141 BEGIN END; -- there is no such grant: this file is loaded again
  REVOKE CREATE TEMPORARY TABLES ON * FROM lookupd_operator;
END//

DELIMITER ;

CREATE OR REPLACE DEFINER = lookupd_definer@localhost SQL SECURITY INVOKER VIEW effective_route AS
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
CREATE OR REPLACE DEFINER = lookupd_definer@localhost SQL SECURITY DEFINER VIEW my_domain AS
SELECT name, relay, recipients, enabled, note, route, updated_at, updated_by
FROM domain FORCE INDEX (owner)
WHERE owner = CONVERT(LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1) USING utf8mb4)
WITH CASCADED CHECK OPTION;

CREATE OR REPLACE DEFINER = lookupd_definer@localhost SQL SECURITY DEFINER VIEW my_recipient AS
SELECT r.address, r.enabled, r.note, r.route, r.updated_at, r.updated_by
FROM domain d FORCE INDEX (owner) STRAIGHT_JOIN recipient r FORCE INDEX (domain) ON r.domain = d.name
WHERE d.owner = CONVERT(LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1) USING utf8mb4)
WITH CASCADED CHECK OPTION;

CREATE OR REPLACE DEFINER = lookupd_definer@localhost SQL SECURITY DEFINER VIEW my_relay AS
SELECT r.name, r.enabled, r.note
FROM relay r JOIN relay_tenant t ON t.relay = r.name
WHERE t.tenant = CONVERT(LEFT(USER(), CHAR_LENGTH(USER()) - CHAR_LENGTH(SUBSTRING_INDEX(USER(), '@', -1)) - 1) USING utf8mb4)
LIMIT 1000000;

GRANT SELECT ON service        TO lookupd_reader;
GRANT REPLICA MONITOR ON *.*   TO lookupd_reader;
GRANT SELECT, DELETE, INSERT (source, name, relay, route, last_seen, gone_since), UPDATE (relay, route, last_seen, gone_since)
  ON import_claim TO lookupd_importer;
GRANT SELECT, INSERT, UPDATE ON service           TO lookupd_operator;

UPDATE schema_version SET version = 2, since = CURRENT_TIMESTAMP;

SET sql_mode = @old_sql_mode, autocommit = @old_autocommit, lock_wait_timeout = @old_lock_wait_timeout;
