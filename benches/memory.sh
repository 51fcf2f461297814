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
python=${PYTHON:-python3}
if [ -z "${REUNITE:-}" ]; then
    cargo build --release --quiet
    REUNITE=${CARGO_TARGET_DIR:-target}/release/reunite
fi

work=$(mktemp -d)
server=
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

export REUNITE_DATA=$work/data
"$REUNITE" init 2>/dev/null
for seed in "$@"; do
    case=$work/case$seed
    "$python" "$corpus/make_case.py" --images "$corpus/images" --out "$case" --seed "$seed" --recipes 0 --metadata rich --records 600 2>"$work/making" ||
        { cat "$work/making" >&2; exit 1; }
    # Cases number their records alike; one shop may not.
    sed -i "2,\$s/^/$seed-/" "$case/records.csv"
    "$REUNITE" import "$case/records.csv" --thumbs "$case" --map record=record_id,thumbnail=thumb
done
for customer in $(ls -d "$work"/case*/uploads/*/ | xargs -n1 basename | sort -u); do
    echo secret | { "$REUNITE" customer passwd "$customer" 2>/dev/null || "$REUNITE" customer add "$customer"; }
done

any=127.0.0.1:0
"$REUNITE" serve --ftp $any --sftp $any --web $any >"$work/ready" 2>"$work/log" &
server=$!
until grep -q '^ready ' "$work/ready"; do
    kill -0 "$server" || { cat "$work/log"; exit 1; }
    sleep 0.1
done
ftp=$(tr ' ' '\n' <"$work/ready" | sed -n 's/^ftp=//p')
begin=$SECONDS
for seed in "$@"; do
    for customer in "$work/case$seed"/uploads/*/; do
        lftp --norc -c "set ftp:ssl-allow no; set cmd:fail-exit yes; open -u $(basename "$customer"),secret ftp://$ftp; mirror -R --parallel=4 $customer dump$seed"
    done
done
echo "$(find "$work"/case*/uploads -type f | wc -l) files uploaded in $((SECONDS - begin)) s"
"$REUNITE" wait --timeout 60m
echo "decided in $((SECONDS - begin)) s; largest resident size of the server: $(sed -n 's/^VmHWM:[^0-9]*//p' "/proc/$server/status")"
for child in $(pgrep -P "$server"); do
    echo "... of its decode child: $(sed -n 's/^VmHWM:[^0-9]*//p' "/proc/$child/status")"
done
