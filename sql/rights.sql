-- The roles, the definer and the rights alone, for a database that came back from a dump: a dump of
-- one database has none of them, and without the definer every write ends with "The user specified as
-- a definer ('lookupd_definer'@'localhost') does not exist". May be loaded as often as one likes:
--
--     mariadb lookupd < sql/rights.sql
--
-- This is sections 2 and 8 of sql/schema.sql, word for word (a test compares them).

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
