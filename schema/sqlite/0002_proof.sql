-- Proof: how the shop made its thumbnails, and which uploads show one picture.

-- What a thumbnail's file tells of how it was made (JSON, see src/recipe/partition.rs); NULL = not looked at.
ALTER TABLE thumbnails ADD COLUMN partition TEXT;
CREATE INDEX thumbnails_of_partition ON thumbnails (partition);

-- What was learned of each partition, and from what.
CREATE TABLE recipes (
    id         BIGINT NOT NULL PRIMARY KEY,
    partition  TEXT   NOT NULL UNIQUE,
    pairs      BLOB   NOT NULL,                 -- digest over the certain pairs it was learned from
    learned    TEXT   NOT NULL,                 -- JSON list, best first; [] = nothing
    refusal    TEXT,                            -- why nothing was learned, in words
    learned_at BIGINT NOT NULL
);

-- Uploads that stood in each other's way, seen closely: copies of one picture are no rivals.
CREATE TABLE comparisons (
    customer   BIGINT NOT NULL REFERENCES customers (id),
    a          BLOB   NOT NULL,                 -- the smaller digest
    a_number   BIGINT NOT NULL,                 -- page or frame, from 1
    b          BLOB   NOT NULL,
    b_number   BIGINT NOT NULL,
    comparison TEXT,                            -- JSON; NULL = they could not be compared
    PRIMARY KEY (customer, a, a_number, b, b_number)
);

-- Work that concerns all customers: how often it was asked for since it was last done.
CREATE TABLE chores (
    name  TEXT   NOT NULL PRIMARY KEY,
    dirty BIGINT NOT NULL
);
INSERT INTO chores (name, dirty) VALUES ('recipes', 0);

-- Evidence has a new form, and thumbnails tell more: both are taken again.
UPDATE thumbnails SET fingerprint = NULL WHERE problem IS NULL;
UPDATE candidates SET evidence = '[]';
UPDATE images SET matched_seq = 0;
