#!/usr/bin/env bash
# From a corpus of real pictures to a score, through the real server: makes a case, imports its records, uploads its dump
# with lftp, waits, reports, scores.
#
#   bash benches/corpus.sh CORPUS [make_case.py options, default: --seed 1 --recipes 0 --metadata rich --records 600]
#
# CORPUS is a folder with images/, make_case.py and score.py. Exits 1 when anything was attached wrongly. Needs lftp and
# python3 with Pillow, and what make_case.py needs to make thumbnails (ImageMagick, libvips, PHP GD, libjpeg tools).
# PYTHON and REUNITE name other programs than python3 and the release build.
set -euo pipefail
corpus=$(realpath "${1:?usage: benches/corpus.sh CORPUS [make_case.py options]}")
shift
[ $# -gt 0 ] || set -- --seed 1 --recipes 0 --metadata rich --records 600
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

# Decoders of the case maker talk a lot about damaged pictures; what they say matters only when it fails.
"$python" "$corpus/make_case.py" --images "$corpus/images" --out "$work/case" "$@" 2>"$work/making" || { cat "$work/making" >&2; exit 1; }
export REUNITE_DATA=$work/data
"$REUNITE" init 2>/dev/null
"$REUNITE" import "$work/case/records.csv" --thumbs "$work/case" --map record=record_id,thumbnail=thumb
for customer in "$work"/case/uploads/*/; do
    name=$(basename "$customer")
    echo secret | { "$REUNITE" customer passwd "$name" 2>/dev/null || "$REUNITE" customer add "$name"; }
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
for customer in "$work"/case/uploads/*/; do
    lftp --norc -c "set ftp:ssl-allow no; set cmd:fail-exit yes; open -u $(basename "$customer"),secret ftp://$ftp; mirror -R --parallel=4 $customer ."
done
"$REUNITE" wait --timeout 30m
echo "uploaded and decided in $((SECONDS - begin)) s; largest resident size of the server: $(sed -n 's/^VmHWM:[^0-9]*//p' "/proc/$server/status")"
for child in $(pgrep -P "$server"); do
    echo "... of its decode child: $(sed -n 's/^VmHWM:[^0-9]*//p' "/proc/$child/status")"
done
"$REUNITE" report matches --format csv -o "$work/matches.csv"
"$python" "$corpus/score.py" "$work/case" "$work/matches.csv"
