-- More of what is recorded speaks: ETags of S3 stores.

-- As the store spelled it, without quotes: 32 hexadecimal digits, and `-N` where the object was sent in N parts.
ALTER TABLE records ADD COLUMN etag TEXT;

-- Names say more than before: every pair is looked at again. What was measured stays.
UPDATE images SET matched_seq = 0;
UPDATE customers SET dirty = dirty + 1;

-- Recipes are named otherwise than before; they are learned again.
DELETE FROM recipes;

-- MD5 over the MD5s of a blob's parts; only while records to be found carry an ETag that such parts may have made.
CREATE TABLE part_digests (
    blob       BIGINT NOT NULL REFERENCES blobs (id),
    part_bytes BIGINT NOT NULL,                 -- length of each part but the last
    md5        BLOB   NOT NULL,
    PRIMARY KEY (blob, part_bytes)
);
