-- How a DBA makes the accounts: copy this file, keep what you need, put your names and passwords in,
-- and load it into lookupd's database: mariadb lookupd < accounts.sql
-- Needs sql/schema.sql there. Roles hold the rights; an account gets a role, and the role as its
-- default, since a role that is not active gives nothing.

-- The server. No password: the operating system says who it is (unix_socket), so only a process of
-- the system's user lookupd on this machine can log in as lookupd.
CREATE USER IF NOT EXISTS lookupd@localhost IDENTIFIED VIA unix_socket;
GRANT lookupd_reader TO lookupd@localhost;
SET DEFAULT ROLE lookupd_reader FOR lookupd@localhost;

-- The server on another machine: a password in its option file, and TLS.
-- CREATE USER lookupd@'192.0.2.10' IDENTIFIED BY '...' REQUIRE SSL;
-- GRANT lookupd_reader TO lookupd@'192.0.2.10';
-- SET DEFAULT ROLE lookupd_reader FOR lookupd@'192.0.2.10';

-- An importer: one account and one row in source for each name server that it reads. The account's
-- name is what binds it to its rows; whoever has it can touch no others. Without its row in source it
-- would be taken for a person's: the row comes before the role, and goes after it.
CREATE USER IF NOT EXISTS importer_ns2@localhost IDENTIFIED VIA unix_socket;
INSERT INTO source (name, account, note) VALUES ('bind:ns2', 'importer_ns2', 'secondary zones of ns2')
  ON DUPLICATE KEY UPDATE account = VALUES(account);
GRANT lookupd_importer TO importer_ns2@localhost;
SET DEFAULT ROLE lookupd_importer FOR importer_ns2@localhost;

-- People. One account for each: history says who it was.
CREATE USER IF NOT EXISTS olga@localhost IDENTIFIED VIA unix_socket;  -- domains, recipients, aliases, access
GRANT lookupd_operator TO olga@localhost;
SET DEFAULT ROLE lookupd_operator FOR olga@localhost;

CREATE USER IF NOT EXISTS adam@localhost IDENTIFIED VIA unix_socket;  -- and relays, sources, tenants' relays
GRANT lookupd_admin TO adam@localhost;
SET DEFAULT ROLE lookupd_admin FOR adam@localhost;

CREATE USER IF NOT EXISTS audrey@localhost IDENTIFIED VIA unix_socket; -- reads everything
GRANT lookupd_auditor TO audrey@localhost;
SET DEFAULT ROLE lookupd_auditor FOR audrey@localhost;

-- A tenant: sees the domains whose owner is his user name, through my_domain, my_recipient and
-- my_relay. Which relays he may choose stands in relay_tenant:
--     UPDATE domain SET owner = 'tina' WHERE name IN ('example.com', 'example.org');
--     INSERT INTO relay_tenant (relay, tenant) VALUES ('hq', 'tina');
-- The server's max_connections is for all, lookupd too: nobody whom you do not know well has them all.
CREATE USER IF NOT EXISTS tina@localhost IDENTIFIED VIA unix_socket WITH MAX_USER_CONNECTIONS 20 MAX_UPDATES_PER_HOUR 10000;
GRANT lookupd_tenant TO tina@localhost;
SET DEFAULT ROLE lookupd_tenant FOR tina@localhost;

-- Make no anonymous accounts (''@...): their clients choose what USER() says, and so whose rows they
-- would see. A user name means the same person on every host it may come from.
