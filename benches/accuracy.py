#!/usr/bin/env python3
"""The accuracy table: cases of many kinds through the real server (benches/corpus.sh), what came out beside the goal.

    python3 benches/accuracy.py CORPUS --results FOLDER [--seeds "1 2 3"] [--records N] [--only ROW...] [--baselines]
        [--keep FOLDER]

Each case that is done is a file in --results; a run that was broken off goes on where it stopped, and a run with nothing
left to do prints the table again. --write-counts src/matcher/verdict/counted.csv brings the counts into the program.
Settings are taken from the environment (REUNITE_ATTACH_TIERS=digest,bytes,name) and are part of the files' names.
--keep leaves case and catalogue of each, for `cargo bench --bench alone`, which takes the right pictures away and asks again.
--baselines measures bare perceptual hashes on the same cases (benches/baselines.py). Rows:

{rows}

Exits 1 when anything was attached wrongly. Needs what benches/corpus.sh needs; for --baselines numpy and pdqhash.
"""

import argparse
import collections
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from accuracy_table import counts, table
from alike import alike
from truth import Case, rows

# Options of make_case.py, the least recall, and the least share attached or among the first three for review.
ROWS = {
    "large-rich": ("--recipes 2 --sides 200-320 --metadata rich", 0.95, 0.99),
    "large-rich-lone": ("--recipes 2 --sides 200-320 --metadata rich --lone", 0.95, 0.99),
    "large-names": ("--recipes 2 --sides 200-320 --metadata names", 0.90, 0.98),
    "large-none-lone": ("--recipes 2 --sides 200-320 --metadata none --lone", 0.80, 0.98),
    "small-rich-lone": ("--recipes 2 --sides 75-150 --metadata rich --lone", 0.85, 0.98),
    "small-none-lone": ("--recipes 2 --sides 75-150 --metadata none --lone", 0.60, 0.95),
    "any-rich": ("--recipes 0 --metadata rich", 0.80, 0.98),
    "any-rich-lone": ("--recipes 0 --metadata rich --lone", 0.80, 0.98),
    # One customer with everything: rivals everywhere. Only false attachments count here.
    "one-customer": ("--customers 1 --records 1092 --recipes 2 --metadata none --lone", None, None),
}


def options_of(name, records):
    """The options of make_case.py for a row, without the seed."""
    return ROWS[name][0] + (f" --records {records}" if records else "")


def setting():
    """The setting that decides which tiers may attach, in a word for file names."""
    return os.environ.get("REUNITE_ATTACH_TIERS", "default").replace(",", "-")


def run(corpus, name, seed, options, baselines, log, keep):
    """One case through the real server; the result as plain data, or nothing when it broke (the log says why)."""
    with nullcontext(keep) if keep else tempfile.TemporaryDirectory() as kept:
        command = ["bash", Path(__file__).with_name("corpus.sh"), corpus, "--seed", str(seed), *options.split()]
        with open(log, "w") as out:
            subprocess.run(command, env={**os.environ, "KEEP": kept}, stdout=out, stderr=subprocess.STDOUT)
        if not Path(kept, "matches.csv").exists():
            return None
        case, matches = Case(f"{kept}/case"), rows(f"{kept}/matches.csv")
        scorer = [sys.executable, f"{corpus}/score.py", case.folder, f"{kept}/matches.csv", "--json"]
        score = json.loads(subprocess.run(scorer, stdout=subprocess.PIPE).stdout)
        result = {
            "name": name,
            "seed": seed,
            "options": options,
            "program": (re.search(r"^program (\w+)", log.read_text(), re.M) or [None, "?"])[1],
            "seconds": int((re.search(r"decided in (\d+) s", log.read_text()) or [None, 0])[1]),
            "score": score,
            **told_apart(case, matches),
        }
        if baselines:
            from baselines import measure

            result["baselines"] = measure(case.folder)
        return result


def told_apart(case, matches):
    """Decisions by method and picture group (right, wrong), and what became of records whose thumbnails are alike."""
    methods = collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0]))
    outcome, decisions, attached = {}, 0, set()
    for match in matches:
        record = match["record"]
        if match["verdict"] != "attach":
            outcome.setdefault(record, "review")
            continue
        proper = case.is_proper(record, match["path"]) and record not in attached
        attached.add(record)
        decisions += 1
        methods[match["method"]][case.made[record]["group"]][not proper] += 1
        outcome[record] = f"{'attached' if proper else 'WRONG'} by {match['method']}"

    def told(record):
        sent = record in case.recoverable
        source = case.made[record]["source"]
        return {"record": record, "source": source, "sent": sent, "outcome": outcome.get(record, "nothing")}

    pairs = [[told(one), told(other)] for one, other in alike(case)]
    return {"decisions": decisions, "methods": methods, "alike": pairs}


def main():
    shown = "\n".join(f"    {name:16} {options}" for name, (options, _, _) in ROWS.items())
    parser = argparse.ArgumentParser(
        description=__doc__.format(rows=shown), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=os.path.realpath)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--seeds", default="1 2 3")
    parser.add_argument("--records", type=int)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--baselines", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--write-counts", type=Path, metavar="FILE", help="also write decisions and errors of each tier as CSV")
    asked = parser.parse_args()
    asked.results.mkdir(parents=True, exist_ok=True)

    results, broken = collections.defaultdict(list), []
    for name in asked.only:
        for seed in map(int, asked.seeds.split()):
            options = options_of(name, asked.records)
            kept = asked.results / f"{name}-{seed}-{asked.records or 'all'}-{setting()}.json"
            if not kept.exists():
                print(f"{name}, seed {seed}: {options}", file=sys.stderr, flush=True)
                keep = asked.keep and asked.keep / f"{name}-{seed}"
                if keep:
                    keep.mkdir(parents=True)
                result = run(asked.corpus, name, seed, options, asked.baselines, kept.with_suffix(".log"), keep)
                if result is None:
                    broken.append(kept.with_suffix(".log"))
                    continue
                # Written whole or not at all, so that a broken run leaves nothing half done.
                kept.with_suffix(".part").write_text(json.dumps(result))
                kept.with_suffix(".part").rename(kept)
            results[name].append(json.loads(kept.read_text()))

    every = [result for of_row in results.values() for result in of_row]
    programs = sorted({result["program"] for result in every})
    print(f"attach.tiers: {setting()}; program {', '.join(programs)}\n")
    if len(programs) > 1:
        print("These results come from different builds; take a fresh --results folder for one build.\n")
    if every:
        print(table(results, {name: goal for name, (_, *goal) in ROWS.items()}))
    if asked.write_counts:
        asked.write_counts.write_text(counts(every))
    for log in broken:
        print(f"BROKEN: no report came out; see {log}")
    sys.exit(1 if broken or any(result["score"]["FALSE"] for result in every) else 0)


if __name__ == "__main__":
    main()
