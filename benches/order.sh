#!/usr/bin/env bash
# Whether the order of things leaves a trace: one case through three real servers, imported and uploaded in three orders; their
# `report matches --stable` have to agree byte for byte.
#
#   bash benches/order.sh CORPUS [make_case.py options, default: --seed 1 --recipes 2 --metadata names --lone --records 150]
#
#   1. all records, then all uploads
#   2. all uploads, the last first, then all records, the last first
#   3. every third record, every second upload, the other records, the other uploads, decided after each step
#
# Needs what benches/corpus.sh needs. PYTHON and REUNITE name other programs than python3 and the release build. Exits 1 when
# two reports differ, and shows where.
set -euo pipefail
corpus=$(realpath "${1:?usage: benches/order.sh CORPUS [make_case.py options]}")
shift
[ $# -gt 0 ] || set -- --seed 1 --recipes 2 --metadata names --lone --records 150
cd "$(dirname "$0")/.."
. benches/server.bash

case=$work/case
make_case "$case" "$@"
customers=$(ls "$case/uploads")
records=$case/records.csv

# some_records NAME COMMAND...: the records that a filter of lines leaves, as a file of their own.
some_records() {
    local part=$case/$1.csv
    shift
    { head -n 1 "$records"; tail -n +2 "$records" | "$@"; } >"$part"
    echo "$part"
}

import() { "$REUNITE" import "$1" --thumbs "$case" --map record=record_id,thumbnail=thumb; }

# send FILE...: uploads of the case, in this order, over one connection for each customer in turn.
send() {
    local file
    for customer in $customers; do
        {
            echo "set ftp:ssl-allow no; set cmd:fail-exit yes; open -u $customer,secret ftp://$ftp"
            for file in "$@"; do
                case "$file" in
                "$case/uploads/$customer/"*)
                    local path=${file#"$case/uploads/$customer/"}
                    # The quoting of lftp's own command line.
                    path=${path//\\/\\\\} path=${path//\"/\\\"} file=${file//\\/\\\\} file=${file//\"/\\\"}
                    [ "${path%/*}" = "$path" ] || echo "mkdir -p -f \"${path%/*}\""
                    echo "put \"$file\" -o \"$path\""
                    ;;
                esac
            done
        } >"$work/commands"
        lftp --norc -f "$work/commands"
    done
}

decided() { "$REUNITE" wait --timeout 3h; }

# begin NUMBER / end NUMBER: a server of its own for each order; its report stays.
begin() {
    export REUNITE_DATA=$work/data$1
    "$REUNITE" init 2>/dev/null
    add_customers $customers
    start_server
}
end() {
    decided
    "$REUNITE" report matches --format csv --stable -o "$work/matches$1.csv"
    kill "$server"
    wait "$server" || true
    echo "order $1: $(grep -c ',attach,' "$work/matches$1.csv") attached, $(grep -c ',review,' "$work/matches$1.csv") rows for review"
}

mapfile -d '' -t files < <(find "$case/uploads" -type f -print0 | sort -z)
mapfile -d '' -t backwards < <(find "$case/uploads" -type f -print0 | sort -rz)
odd=() even=()
for at in "${!files[@]}"; do
    if ((at % 2)); then odd+=("${files[$at]}"); else even+=("${files[$at]}"); fi
done

begin 1
import "$records"
send "${files[@]}"
end 1

begin 2
send "${backwards[@]}"
decided
import "$(some_records backwards tac)"
end 2

begin 3
import "$(some_records third awk 'NR % 3 == 0')"
send "${even[@]}"
decided
import "$(some_records others awk 'NR % 3 != 0')"
decided
send "${odd[@]}"
end 3

for order in 2 3; do
    if ! diff "$work/matches1.csv" "$work/matches$order.csv"; then
        echo "order $order gives another report than order 1" >&2
        exit 1
    fi
done
echo "three orders, one report of $(wc -l <"$work/matches1.csv") lines"
