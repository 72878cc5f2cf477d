-- The store's tables, in a schema of their own. Run once, by the first process that writes.
CREATE TABLE IF NOT EXISTS journal (
    run text NOT NULL,
    position bigint NOT NULL,
    line text NOT NULL,
    PRIMARY KEY (run, position)
);
CREATE TABLE IF NOT EXISTS ledger (
    position bigint PRIMARY KEY,
    line text NOT NULL
);
CREATE TABLE IF NOT EXISTS document (
    name text PRIMARY KEY,
    content text NOT NULL
);
-- One row: how many holders the lock has had, and who was the last, unless it ended properly.
CREATE TABLE IF NOT EXISTS holder (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    format integer NOT NULL DEFAULT 1,
    epoch bigint NOT NULL DEFAULT 0,
    note text
);
INSERT INTO holder DEFAULT VALUES ON CONFLICT DO NOTHING;
