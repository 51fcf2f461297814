-- Pages that cost the same however many records, files and attachments there are.

-- What stands of an image: every list of received files asks for it.
CREATE INDEX attachments_of_image ON attachments (image) WHERE state = 'standing';
-- What came back and what a person is asked about, in the order of the match report.
CREATE INDEX attachments_standing_in_order ON attachments (id) WHERE state = 'standing';
DROP INDEX attachments_by_method;           -- it drew plans away from the one above
CREATE INDEX attachments_standing_by_method ON attachments (method, id) WHERE state = 'standing';
CREATE INDEX candidates_asked ON candidates (id) WHERE verdict = 'review';
CREATE INDEX candidates_asked_of ON candidates (customer, id) WHERE verdict = 'review';
-- The same in the order of records: the review queue.
CREATE INDEX candidates_asked_by_record ON candidates (record) WHERE verdict = 'review';
-- What could not be used, without looking at what could.
CREATE INDEX blobs_with_problem ON blobs (customer, id) WHERE problem IS NOT NULL;
CREATE INDEX uploads_odd ON uploads (customer, id) WHERE state = 'failed' OR truncated <> 0;
-- What was given up, of one customer by record, and of all the last first.
DROP INDEX records_retired;
CREATE INDEX records_retired ON records (customer, id) WHERE retired_at IS NOT NULL;
CREATE INDEX records_given_up ON records (retired_at DESC, id) WHERE retired_at IS NOT NULL;
