-- A page of a customer's records, from one id on, without looking at the records before it.
CREATE INDEX records_in_order ON records (customer, id);
