-- Version 1 to 2: the table service, the switch for maintenance. Load it as root, or as an account
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

DELIMITER //

CREATE OR REPLACE DEFINER = lookupd_definer@localhost
FUNCTION service_json(answering VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
                      note VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin)
RETURNS LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin
DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN JSON_OBJECT('answering', answering, 'note', note)//

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

GRANT SELECT ON service TO lookupd_reader;
-- to see how far a replica is behind (database.max_lag)
GRANT REPLICA MONITOR ON *.* TO lookupd_reader;
GRANT SELECT, INSERT, UPDATE ON service TO lookupd_operator;

UPDATE schema_version SET version = 2, since = CURRENT_TIMESTAMP;

SET sql_mode = @old_sql_mode, autocommit = @old_autocommit;
