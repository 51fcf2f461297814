#!/usr/bin/env bash
# How much memory the server and its decode child take while about 2,000 real files are processed.
#
#   bash benches/memory.sh CORPUS [SEED ...]        default seeds: 1 2 3 4
#
# Each seed makes a case of 600 records and some 530 uploads; all of them go into one shop. Needs what benches/corpus.sh
# needs. PYTHON and REUNITE name other programs than python3 and the release build. Prints the largest resident sizes; the
# limit to hold is 400 MiB for each.
set -euo pipefail
corpus=$(realpath "${1:?usage: benches/memory.sh CORPUS [SEED ...]}")
shift
[ $# -gt 0 ] || set -- 1 2 3 4
cd "$(dirname "$0")/.."
. benches/server.bash

"$REUNITE" init 2>/dev/null
for seed in "$@"; do
    case=$work/case$seed
    make_case "$case" --seed "$seed" --recipes 0 --metadata rich --records 600
    # Cases number their records alike; one shop may not.
    sed -i "2,\$s/^/$seed-/" "$case/records.csv"
    "$REUNITE" import "$case/records.csv" --thumbs "$case" --map record=record_id,thumbnail=thumb
done
add_customers $(ls -d "$work"/case*/uploads/*/ | xargs -n1 basename | sort -u)
start_server
begin=$SECONDS
for seed in "$@"; do
    for customer in "$work/case$seed"/uploads/*/; do
        upload "$customer" "dump$seed"
    done
done
echo "$(find "$work"/case*/uploads -type f | wc -l) files uploaded in $((SECONDS - begin)) s"
"$REUNITE" wait --timeout 60m
echo "decided in $((SECONDS - begin)) s"
print_memory
