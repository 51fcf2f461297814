#!/usr/bin/env python3
"""Programs that find alike pictures, and ours, on one folder: what they find, and what it costs them.

    python3 benches/peers.py CASE

CASE is a folder made by make_case.py with `--customers 1 --metadata none`, since the others know nothing but pixels. All
thumbnails and all uploads go into one folder under plain names; a program finds the original of a record when it puts a
right upload into one group with the record's thumbnail, and errs when it puts a wrong one there. czkawka_cli (crates.io)
and findimagedupes (Debian) group by themselves; with imagehash (PyPI) everything within a distance is a pair, as people use
it. Ours imports the thumbnails, scans the uploads and says what it attached. Every program starts without what it kept from
earlier runs. A program that is not there, or fails, is named and left out.

Times are by the clock and of all processors, of all processes of a program; memory is that of the largest one. REUNITE names
another program than the release build, CZKAWKA another czkawka_cli.
"""

import csv
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from truth import Case

CUSTOMER = "everybody"


def largest(pid):
    """Waits for a process; (its status, processor seconds of it and its children, MiB of the largest of these)."""
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


class Cost:
    """What the programs took that were run through it."""

    def __init__(self):
        self.seconds = self.processor = self.memory = 0.0

    def run(self, command, **options):
        """Runs a program to its end; what it printed."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            began = time.monotonic()
            process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=errors, **options)
            status, processor, memory = largest(process.pid)
            process.returncode = status
            self.seconds += time.monotonic() - began
            self.processor += processor
            self.memory = max(self.memory, memory)
            out.seek(0), errors.seek(0)
            if status:
                raise RuntimeError(f"{command[0]} ended with {status}: {errors.read()[-300:].decode(errors='replace').strip()}")
            return out.read().decode(errors="surrogateescape")


def lay_out(case, folder):
    """Links all files into a folder; {plain name: record, or path of an upload}."""
    names = {}

    def put(source, prefix, at, what):
        name = f"{prefix}{at:05}{Path(source).suffix.lower()}"
        shutil.copyfile(source, folder / name)
        names[name] = what

    for at, (record, row) in enumerate(sorted(case.records.items())):
        put(f"{case.folder}/{row['thumb']}", "t", at, ("record", record))
    for at, (customer, path) in enumerate(sorted(case.uploads)):
        put(f"{case.folder}/uploads/{customer}/{path}", "u", at, ("upload", path))
    return names


def czkawka(cost, folder, scratch, preset):
    kept = {"HOME": scratch, "XDG_CACHE_HOME": scratch, "XDG_CONFIG_HOME": scratch}
    out = scratch / f"czkawka-{preset}.json"
    command = [os.environ.get("CZKAWKA", "czkawka_cli"), "image", "-d", folder, "-s", preset, "-C", out, "-m", 1, "-H", "-N", "-W"]
    cost.run(command, env={**os.environ, **{key: str(value) for key, value in kept.items()}})
    return [[Path(file["path"]).name for file in group] for group in json.loads(out.read_text())]


def findimagedupes(cost, folder, scratch, threshold):
    text = cost.run(["findimagedupes", "-t", threshold, "-R", folder], env={**os.environ, "HOME": str(scratch)})
    return [[Path(path).name for path in line.split()] for line in text.splitlines()]


def imagehash(cost, folder, scratch, distance):
    text = cost.run([sys.executable, __file__, "--imagehash", folder, distance])
    return [line.split() for line in text.splitlines()]


def imagehash_pairs(folder, distance):
    """Prints the pairs of a thumbnail and an upload within a distance; runs as a program of its own."""
    import imagehash
    import numpy
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    hashes = {"t": {}, "u": {}}
    for path in sorted(Path(folder).iterdir()):
        try:
            with Image.open(path) as picture:
                hashes[path.name[0]][path.name] = imagehash.phash(picture).hash.ravel()
        except (OSError, SyntaxError, ValueError):
            continue
    uploads = list(hashes["u"])
    bits = numpy.array([hashes["u"][name] for name in uploads])
    for thumbnail, hash_ in hashes["t"].items():
        for at in numpy.flatnonzero((bits != hash_).sum(axis=1) <= distance):
            print(thumbnail, uploads[at])


def ours(cost, folder, scratch, names):
    data = scratch / "data"
    program = os.environ.get("REUNITE", f"{os.environ.get('CARGO_TARGET_DIR', 'target')}/release/reunite")
    env = {**os.environ, "REUNITE_DATA": str(data)}
    records, uploads = scratch / "records.csv", scratch / "uploads"
    uploads.mkdir()
    with open(records, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["record", "customer", "thumbnail"])
        for name, (kind, what) in names.items():
            if kind == "record":
                rows.writerow([what, CUSTOMER, name])
            else:
                os.link(folder / name, uploads / name)
    cost.run([program, "init"], env=env)
    cost.run([program, "import", records, "--thumbs", folder], env=env)
    cost.run([program, "scan", uploads, "--customer", CUSTOMER], env=env)
    matches = subprocess.run([program, "report", "matches", "--format", "csv"], env=env, check=True, capture_output=True, text=True)
    thumbnails = {what: name for name, (kind, what) in names.items() if kind == "record"}
    attached = [row for row in csv.DictReader(matches.stdout.splitlines()) if row["verdict"] == "attach"]
    return [[thumbnails[row["record"]], Path(row["path"]).name] for row in attached]


def score(case, names, groups):
    """Of groups: (records with a right upload, of these none with a wrong one, records with a wrong one, pairs that are wrong)."""
    right, wrong, pairs = set(), set(), 0
    for group in groups:
        kinds = [names[name] for name in group if name in names]
        records = [what for kind, what in kinds if kind == "record"]
        uploads = [what for kind, what in kinds if kind == "upload"]
        for record, path in itertools.product(records, uploads):
            if case.is_proper(record, path):
                right.add(record)
            else:
                wrong.add(record)
                pairs += 1
    return len(right & case.recoverable), len((right - wrong) & case.recoverable), len(wrong), pairs


def main():
    case = Case(sys.argv[1])
    if len({row["customer"] for row in case.records.values()}) > 1:
        sys.exit("the case has several customers; make it with --customers 1")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        folder = scratch / "pictures"
        folder.mkdir()
        names = lay_out(case, folder)
        print(
            f"{len(case.records)} thumbnails and {len(case.uploads)} uploads; the originals of {len(case.recoverable)} are there\n\n"
            "| program | found | found without a wrong one | records with a wrong one | wrong pairs | seconds | processor s | MiB |\n"
            "| --- | --- | --- | --- | --- | --- | --- | --- |"
        )
        peers = [
            ("reunite", lambda cost, own: ours(cost, folder, own, names)),
            *((f"czkawka_cli, {preset}", lambda cost, own, preset=preset: czkawka(cost, folder, own, preset))
              for preset in ("High", "Medium", "Minimal")),
            *((f"findimagedupes, {threshold}", lambda cost, own, threshold=threshold: findimagedupes(cost, folder, own, threshold))
              for threshold in ("95%", "90%")),
            *((f"imagehash phash, {distance}", lambda cost, own, distance=distance: imagehash(cost, folder, own, distance))
              for distance in (4, 10)),
        ]
        for at, (name, find) in enumerate(peers):
            own = scratch / str(at)
            own.mkdir()
            cost = Cost()
            try:
                found, clean, wrong, pairs = score(case, names, find(cost, own))
            except (OSError, RuntimeError, ValueError) as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
            print(
                f"| {name} | {found} | {clean} | {wrong} | {pairs} | {cost.seconds:.1f} | {cost.processor:.1f} | {cost.memory:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--imagehash"]:
        imagehash_pairs(sys.argv[2], int(sys.argv[3]))
    elif len(sys.argv) == 2:
        main()
    else:
        sys.exit("usage: python3 benches/peers.py CASE")
