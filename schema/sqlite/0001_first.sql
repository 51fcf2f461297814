-- The first shape of the catalogue.
--
-- Rules that keep a second engine possible: ids are 64-bit and assigned by us (table `ids`); times are integer
-- microseconds UTC; digests and names are bytes; no arrays, no JSON operators, no order that depends on a collation.
-- Text in columns named `evidence` and `extra` is JSON that only the program reads.

-- The next free id of each kind of thing. A row is locked by the writer that takes an id, so two processes never agree on one.
CREATE TABLE ids (
    kind TEXT NOT NULL PRIMARY KEY,
    next BIGINT NOT NULL
);

CREATE TABLE customers (
    id            BIGINT NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    password_hash TEXT,                         -- argon2id, PHC string; NULL = no password login
    disabled      BIGINT NOT NULL DEFAULT 0,    -- 1 = may not sign in; nothing of theirs is lost
    dirty         BIGINT NOT NULL DEFAULT 0,    -- 1 = something changed since the rule last ran over this customer
    created_at    BIGINT NOT NULL
);

CREATE TABLE customer_keys (
    id         BIGINT NOT NULL PRIMARY KEY,
    customer   BIGINT NOT NULL REFERENCES customers (id),
    line       TEXT   NOT NULL,                 -- one OpenSSH authorized_keys line, without options
    created_at BIGINT NOT NULL,
    UNIQUE (customer, line)
);

-- The shop's rows. The state is derived: retired_at set = retired; a standing attachment = recovered; else missing.
CREATE TABLE records (
    id           BIGINT NOT NULL PRIMARY KEY,
    customer     BIGINT NOT NULL REFERENCES customers (id),
    name         TEXT   NOT NULL UNIQUE,        -- the shop's own identifier
    filename     TEXT,
    width        BIGINT,                        -- pixels of the lost original
    height       BIGINT,
    bytes        BIGINT,
    sha256       BLOB,
    md5          BLOB,
    taken_at     TEXT,
    original_key TEXT,                          -- where the shop's software looks for it, when the import said so
    extra        TEXT   NOT NULL DEFAULT '{}',  -- columns of the import that are not ours, given back in reports
    retired_at   BIGINT,
    retired_why  TEXT,
    imported_at  BIGINT NOT NULL,
    changed_seq  BIGINT NOT NULL                -- grows with each change that matching must see
);
CREATE INDEX records_of_customer ON records (customer, changed_seq);

CREATE TABLE thumbnail_files (
    digest BLOB NOT NULL PRIMARY KEY,
    bytes  BLOB NOT NULL
);

CREATE TABLE thumbnails (
    id          BIGINT NOT NULL PRIMARY KEY,
    record      BIGINT NOT NULL REFERENCES records (id),
    role        TEXT   NOT NULL,                -- 'thumbnail' or 'preview'
    source      TEXT   NOT NULL,                -- the path in the import, or 'data:'
    digest      BLOB   REFERENCES thumbnail_files (digest),  -- NULL = the file was absent at import
    width       BIGINT,
    height      BIGINT,
    fingerprint BLOB,
    problem     TEXT,                           -- why it cannot be used, in words
    UNIQUE (record, role)
);
CREATE INDEX thumbnails_of_file ON thumbnails (digest);
CREATE INDEX thumbnails_unexamined ON thumbnails (digest) WHERE fingerprint IS NULL AND problem IS NULL;

-- The tree a customer sees. Names are bytes; the root is parent 0 and has no row.
CREATE TABLE entries (
    id        BIGINT NOT NULL PRIMARY KEY,
    customer  BIGINT NOT NULL REFERENCES customers (id),
    parent    BIGINT NOT NULL,
    name      BLOB   NOT NULL,
    directory BIGINT NOT NULL,                  -- 1 = directory
    size      BIGINT NOT NULL DEFAULT 0,        -- of the current upload, here so that a listing needs no other table
    mtime     BIGINT NOT NULL,
    upload    BIGINT REFERENCES uploads (id),   -- the current upload of a file
    partial   BIGINT REFERENCES partials (id),  -- an unfinished transfer of a file
    UNIQUE (customer, parent, name)
);
CREATE INDEX entries_of_partial ON entries (partial) WHERE partial IS NOT NULL;

-- Transfers that broke off and can be resumed, and large ones that are running.
CREATE TABLE partials (
    id         BIGINT NOT NULL PRIMARY KEY,
    customer   BIGINT NOT NULL REFERENCES customers (id),
    path       BLOB   NOT NULL,                 -- where it was to go; an entry that shows it knows better
    spool_file TEXT   NOT NULL UNIQUE,          -- name in the spool folder; its length is the partial's size
    mtime      BIGINT,                          -- as the client gave it
    endpoint   TEXT   NOT NULL,
    node       TEXT   NOT NULL,
    started_at BIGINT NOT NULL,
    touched_at BIGINT NOT NULL
);

-- One customer's delivery: uploads that follow each other within 30 minutes.
CREATE TABLE submissions (
    id         BIGINT NOT NULL PRIMARY KEY,
    customer   BIGINT NOT NULL REFERENCES customers (id),
    started_at BIGINT NOT NULL,
    last_at    BIGINT NOT NULL
);
CREATE INDEX submissions_of_customer ON submissions (customer, last_at);

-- What was received. Never changed but for the columns below the line, which follow the file on its way.
CREATE TABLE uploads (
    id          BIGINT NOT NULL PRIMARY KEY,
    customer    BIGINT NOT NULL REFERENCES customers (id),
    submission  BIGINT NOT NULL REFERENCES submissions (id),
    path        BLOB   NOT NULL,                -- as completed, without a leading slash
    size        BIGINT NOT NULL,
    sha256      BLOB   NOT NULL,
    mtime       BIGINT,                         -- as the client gave it
    endpoint    TEXT   NOT NULL,                -- ftp, ftps, sftp, scp, scan, inbox, web
    received_at BIGINT NOT NULL,
    truncated   BIGINT NOT NULL DEFAULT 0,      -- 1 = the transfer never completed
    -- ----
    held_until  BIGINT,                         -- a client's temporary name: waits for its rename until then
    state       TEXT   NOT NULL,                -- received (in the spool), stored (in the blob store), decided, failed
    spool_file  TEXT   UNIQUE,                  -- name in the spool folder while received
    node        TEXT   NOT NULL,
    blob        BIGINT REFERENCES blobs (id),
    attempts    BIGINT NOT NULL DEFAULT 0,
    retry_at    BIGINT NOT NULL DEFAULT 0,
    last_error  TEXT
);
CREATE INDEX uploads_undecided ON uploads (state, customer, id) WHERE state IN ('received', 'stored');
CREATE INDEX uploads_of_customer ON uploads (customer, id);
CREATE INDEX uploads_of_blob ON uploads (blob);

-- The bytes of uploads, stored once per customer under their digest.
CREATE TABLE blobs (
    id          BIGINT NOT NULL PRIMARY KEY,
    customer    BIGINT NOT NULL REFERENCES customers (id),
    digest      BLOB   NOT NULL,
    size        BIGINT NOT NULL,
    md5         BLOB,                           -- only while records to be found carry one
    kind        TEXT,                           -- by content, once examined
    problem     TEXT,                           -- why no picture could be read from it, in words
    examined_at BIGINT,
    attempts    BIGINT NOT NULL DEFAULT 0,
    retry_at    BIGINT NOT NULL DEFAULT 0,
    last_error  TEXT,
    UNIQUE (customer, digest)
);
CREATE INDEX blobs_unexamined ON blobs (customer, id) WHERE examined_at IS NULL;

-- Decodable pictures inside blobs. A blob that cannot be decoded has one image without a size, so that a digest can speak for it.
CREATE TABLE images (
    id          BIGINT NOT NULL PRIMARY KEY,
    customer    BIGINT NOT NULL REFERENCES customers (id),
    blob        BIGINT NOT NULL REFERENCES blobs (id),
    number      BIGINT NOT NULL,                -- page or frame, from 1
    width       BIGINT,                         -- pixels, as a person should see it; NULL = could not be read
    height      BIGINT,
    storage     TEXT   NOT NULL DEFAULT 'lossy',-- uncompressed, lossless, lossy
    truncated   BIGINT NOT NULL DEFAULT 0,      -- 1 = the content has no proper end
    taken_at    TEXT,
    matched_seq BIGINT NOT NULL DEFAULT 0,      -- matched against every record whose changed_seq is at most this
    UNIQUE (blob, number)
);
CREATE INDEX images_of_customer ON images (customer, matched_seq);

CREATE TABLE fingerprints (
    image   BIGINT NOT NULL PRIMARY KEY REFERENCES images (id),
    quality BIGINT NOT NULL,
    views   BLOB   NOT NULL                     -- the hashes of all plausible views, see src/fingerprint
);

-- (image, record) pairs within reach, with what was measured. The columns below the line are what the rule made of it.
CREATE TABLE candidates (
    id         BIGINT NOT NULL PRIMARY KEY,
    customer   BIGINT NOT NULL REFERENCES customers (id),
    image      BIGINT NOT NULL REFERENCES images (id),
    record     BIGINT NOT NULL REFERENCES records (id),
    distance   BIGINT,                          -- Hamming, in bits of 256; NULL = metadata alone brought them together
    evidence   TEXT   NOT NULL,
    -- ----
    verdict    TEXT   NOT NULL DEFAULT 'none',
    method     TEXT,                            -- which tier of the rule spoke
    grade      TEXT,
    rank       BIGINT,
    residual   REAL,
    margin     REAL,
    reason     TEXT,
    decided_at BIGINT,
    UNIQUE (image, record)
);
CREATE INDEX candidates_of_record ON candidates (record, rank);
CREATE INDEX candidates_of_customer ON candidates (customer, verdict);

-- What people decided: the pair is (record, digest, image number), so that it outlives a re-import and a re-upload.
CREATE TABLE decisions (
    id       BIGINT NOT NULL PRIMARY KEY,
    customer BIGINT NOT NULL REFERENCES customers (id),
    record   BIGINT NOT NULL REFERENCES records (id),
    digest   BLOB   NOT NULL,
    number   BIGINT NOT NULL DEFAULT 1,
    act      TEXT   NOT NULL,                   -- accept, reject, attach, detach
    who      TEXT   NOT NULL,
    why      TEXT   NOT NULL DEFAULT '',
    at       BIGINT NOT NULL
);
CREATE INDEX decisions_of_record ON decisions (record, id);
CREATE INDEX decisions_of_customer ON decisions (customer, id);

-- The committed links record <- image.
CREATE TABLE attachments (
    id         BIGINT NOT NULL PRIMARY KEY,
    customer   BIGINT NOT NULL REFERENCES customers (id),
    record     BIGINT NOT NULL REFERENCES records (id),
    image      BIGINT NOT NULL REFERENCES images (id),
    upload     BIGINT NOT NULL REFERENCES uploads (id),
    state      TEXT   NOT NULL,                 -- placing, standing, conflict, removing, ended
    object_key TEXT   NOT NULL,                 -- in the originals store
    digest     BLOB   NOT NULL,                 -- of the bytes at that key
    replaces   BIGINT REFERENCES attachments (id),
    grade      TEXT   NOT NULL,
    method     TEXT   NOT NULL,
    evidence   TEXT   NOT NULL,
    decided_by TEXT   NOT NULL,                 -- 'rule' or the person's name
    decided_at BIGINT NOT NULL,
    placed_at  BIGINT,
    ended_at   BIGINT,
    problem    TEXT                             -- of a conflict or an end, in words
);
CREATE UNIQUE INDEX attachments_standing ON attachments (record) WHERE state = 'standing';
CREATE INDEX attachments_of_record ON attachments (record, id);
CREATE INDEX attachments_unfinished ON attachments (state, id) WHERE state IN ('placing', 'removing', 'conflict');
CREATE INDEX attachments_of_key ON attachments (object_key);

-- The history of everything, in words.
CREATE TABLE events (
    id       BIGINT NOT NULL PRIMARY KEY,
    at       BIGINT NOT NULL,
    customer BIGINT REFERENCES customers (id),
    kind     TEXT   NOT NULL,
    record   BIGINT REFERENCES records (id),
    upload   BIGINT REFERENCES uploads (id),
    who      TEXT   NOT NULL,
    text     TEXT   NOT NULL
);
CREATE INDEX events_of_record ON events (record, id);
CREATE INDEX events_of_upload ON events (upload, id);

-- For other programs; documented in schema/README.md.
CREATE VIEW missing_images AS
SELECT r.name AS record, c.name AS customer, r.filename AS filename, r.width AS width, r.height AS height,
       r.bytes AS bytes, r.taken_at AS taken_at, a.grade AS grade, r.imported_at AS imported_at
FROM records r
JOIN customers c ON c.id = r.customer
LEFT JOIN attachments a ON a.record = r.id AND a.state = 'standing'
WHERE r.retired_at IS NULL AND (a.id IS NULL OR a.grade = 'copy');

CREATE VIEW reattached_images AS
SELECT r.name AS record, c.name AS customer, a.object_key AS original, a.digest AS sha256, a.grade AS grade,
       u.path AS path, a.method AS method, a.decided_by AS decided_by, a.placed_at AS reattached_at
FROM attachments a
JOIN records r ON r.id = a.record
JOIN customers c ON c.id = a.customer
JOIN uploads u ON u.id = a.upload
WHERE a.state = 'standing';
