-- Pictures that could be read although their files are cut off or damaged: where they match nothing, their owner has to hear of it.

ALTER TABLE blobs ADD COLUMN damage TEXT;   -- what is wrong with a file that could be read, in words
UPDATE blobs SET damage = 'the file is cut off: its end is missing'
    WHERE problem IS NULL AND id IN (SELECT blob FROM images WHERE truncated <> 0);
CREATE INDEX blobs_damaged ON blobs (customer, id) WHERE damage IS NOT NULL;
