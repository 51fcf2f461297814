#!/usr/bin/env bash
# From a corpus of real pictures to a score, through the real server: makes a case, imports its records, uploads its dump
# with lftp, waits, reports, scores.
#
#   bash benches/corpus.sh CORPUS [make_case.py options, default: --seed 1 --recipes 0 --metadata rich --records 600]
#
# CORPUS is a folder with images/, make_case.py and score.py. Exits 1 when anything was attached wrongly. Needs lftp and
# python3 with Pillow, and what make_case.py needs to make thumbnails (ImageMagick, libvips, PHP GD, libjpeg tools).
# PYTHON and REUNITE name other programs than python3 and the release build; settings are taken from the environment as ever
# (REUNITE_ATTACH_TIERS=digest,bytes,name); KEEP names a folder in which case (case/), report (matches.csv) and catalogue stay.
set -euo pipefail
corpus=$(realpath "${1:?usage: benches/corpus.sh CORPUS [make_case.py options]}")
shift
[ $# -gt 0 ] || set -- --seed 1 --recipes 0 --metadata rich --records 600
cd "$(dirname "$0")/.."
. benches/server.bash

echo "program $(sha256sum "$REUNITE" | cut -c1-12)"
kept=$(realpath "${KEEP:-$work}")
case=$kept/case
make_case "$case" "$@"
"$REUNITE" init 2>/dev/null
"$REUNITE" import "$case/records.csv" --thumbs "$case" --map record=record_id,thumbnail=thumb
add_customers $(ls "$case/uploads")
start_server
begin=$SECONDS
for customer in "$case"/uploads/*/; do
    upload "$customer" .
done
"$REUNITE" wait --timeout 3h
echo "uploaded and decided in $((SECONDS - begin)) s"
print_memory
"$REUNITE" report matches --format csv -o "$kept/matches.csv"
[ "$kept" = "$work" ] || cp "$REUNITE_DATA"/catalogue.sqlite* "$kept"
"$python" "$corpus/score.py" "$case" "$kept/matches.csv"
