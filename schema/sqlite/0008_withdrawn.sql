-- A decision that was taken back counts as never made; its row stays for the history.
ALTER TABLE decisions ADD COLUMN withdrawn_at BIGINT;
