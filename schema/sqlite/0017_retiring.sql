-- What stays missing is given up after a while, never without having been announced for long enough.
ALTER TABLE records ADD COLUMN wanted_since BIGINT;     -- when somebody last said to look for it; NULL = with the import
ALTER TABLE records ADD COLUMN retire_at BIGINT;        -- announced: given up then, unless it comes back before; NULL = not announced
ALTER TABLE records ADD COLUMN retire_mailed BIGINT NOT NULL DEFAULT 0;     -- 1 = a mail has told that moment; 2 = one is about to, or was when the server ended
CREATE INDEX records_announced ON records (customer, retire_at) WHERE retire_at IS NOT NULL;
ALTER TABLE chores ADD COLUMN done_at BIGINT;           -- when it was last done
ALTER TABLE records ADD COLUMN retired_by_time BIGINT NOT NULL DEFAULT 0;   -- 1 = given up because nothing came, as announced
INSERT INTO chores (name, dirty) VALUES ('retiring', 0);
