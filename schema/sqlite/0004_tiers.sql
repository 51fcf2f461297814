-- What is proven is told from what only resembles, whether or not settings let it be attached: staff see it, and it teaches.
ALTER TABLE candidates ADD COLUMN proven BIGINT NOT NULL DEFAULT 0;

UPDATE customers SET dirty = dirty + 1;
