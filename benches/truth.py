"""What is right in a case: which attachments are proper and what can be recovered, as the scorer of the corpus has it."""

import collections
import csv

# Relations of an upload to the lost original that make it the record's picture.
GOOD = ["exact", "strip", "convert", "rotate", "resave", "resize"]


def rows(path):
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


class Case:
    """A folder that make_case.py made."""

    def __init__(self, folder):
        self.folder = folder
        self.records = {row["record_id"]: row for row in rows(f"{folder}/records.csv")}
        self.made = {row["record_id"]: row for row in rows(f"{folder}/best.csv")}
        self.uploads = {}  # (customer, path below the customer's folder) -> row of truth.csv
        for row in rows(f"{folder}/truth.csv"):
            customer, path = row["upload"].removeprefix("uploads/").split("/", 1)
            self.uploads[customer, path] = row
        self.recoverable = {
            record
            for row in self.uploads.values()
            if row["relation"] in GOOD
            for record in row["record_ids"].split(";")
            if record
        }

    def is_proper(self, record, path):
        """True when the upload at `path` of the record's customer may be attached to the record."""
        upload = self.uploads.get((self.records[record]["customer"], path.lstrip("/")))
        if upload is None or upload["relation"] in ("edit", "truncated"):
            return False
        same = upload["source"] == self.made[record]["source"]
        return same or record in upload["record_ids"].split(";")

    def of_customers(self):
        """(customer, its records, paths of its uploads), each in order."""
        records, paths = collections.defaultdict(list), collections.defaultdict(list)
        for record, row in sorted(self.records.items()):
            records[row["customer"]].append(record)
        for customer, path in sorted(self.uploads):
            paths[customer].append(path)
        return [(customer, records[customer], paths[customer]) for customer in sorted(records)]
