-- Version 1 to 2: the table service, the switch for maintenance; a claim names its relay; an import's
-- row costs less. Load it as root, or as an account
-- that may create routines for others: mariadb lookupd < sql/upgrade/002.sql. It changes no row that
-- is there, and may be loaded again when it stopped half-way.

SET @old_sql_mode = @@sql_mode, @old_autocommit = @@autocommit;
SET sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';
SET autocommit = 1;
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
  IF NEW.recipients NOT IN ('any', 'listed') THEN
    CALL refuse('recipients is ''any'' or ''listed''');
  ELSEIF NEW.enabled NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
  END IF;
  SET NEW.name = name_fold(NEW.name), NEW.relay = LOWER(NULLIF(NEW.relay, '')), NEW.route = NULLIF(NEW.route, ''),
      NEW.owner = NULLIF(NEW.owner, ''), NEW.note = NULLIF(NEW.note, ''), NEW.source = NULLIF(NEW.source, '');
  IF NEW.relay IS NOT NULL AND NOT EXISTS (SELECT 1 FROM relay WHERE name = NEW.relay) THEN
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
  IF NEW.recipients NOT IN ('any', 'listed') THEN
    CALL refuse('recipients is ''any'' or ''listed''');
  ELSEIF NEW.enabled NOT IN (0, 1) THEN
    CALL refuse('enabled is TRUE or FALSE');
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
INSERT INTO history (who, connection, table_name, row_key, action, new)
VALUES (USER(), CONNECTION_ID(), 'domain', NEW.name, 'insert',
        domain_json(NEW.name, NEW.relay, NEW.route, NEW.recipients, NEW.enabled, NEW.owner, NEW.note, NEW.source))//

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
TRIGGER domain_after_delete AFTER DELETE ON domain FOR EACH ROW
BEGIN
  CALL record_change('domain', OLD.name,
                     domain_json(OLD.name, OLD.relay, OLD.route, OLD.recipients, OLD.enabled, OLD.owner, OLD.note, OLD.source), NULL);
  IF OLD.source IS NOT NULL THEN
    INSERT INTO import_claim (source, name, relay, route, gone_since, kept_enabled, kept_recipients, kept_owner, kept_note, kept_at)
    VALUES (OLD.source, OLD.name, OLD.relay, OLD.route, CURRENT_TIMESTAMP, OLD.enabled, OLD.recipients, OLD.owner, OLD.note, CURRENT_TIMESTAMP(6))
    ON DUPLICATE KEY UPDATE gone_since = COALESCE(gone_since, VALUES(gone_since)),
      kept_enabled = VALUES(kept_enabled), kept_recipients = VALUES(kept_recipients),
      kept_owner = VALUES(kept_owner), kept_note = VALUES(kept_note), kept_at = VALUES(kept_at);
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

DELIMITER ;

GRANT SELECT ON service        TO lookupd_reader;
GRANT REPLICA MONITOR ON *.*   TO lookupd_reader;
GRANT SELECT, DELETE, INSERT (source, name, relay, route, last_seen, gone_since), UPDATE (relay, route, last_seen, gone_since)
  ON import_claim TO lookupd_importer;
GRANT SELECT, INSERT, UPDATE ON service           TO lookupd_operator;

UPDATE schema_version SET version = 2, since = CURRENT_TIMESTAMP;

SET sql_mode = @old_sql_mode, autocommit = @old_autocommit;
