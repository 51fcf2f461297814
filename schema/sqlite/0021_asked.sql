-- What the question was when a person answered it, so that taking the answer back asks the same question again at once.

ALTER TABLE decisions ADD COLUMN asked TEXT;    -- the record's candidates that waited for a person, a JSON array
