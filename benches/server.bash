# Sourced by the scripts beside it: a server of its own in a scratch folder that goes away with the script.
#
# Sets work (the scratch folder), python and REUNITE; start_server sets server (its process) and ftp (its address).

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

# make_case FOLDER OPTIONS...: decoders of the case maker talk a lot about damaged pictures; what they say matters only
# when it fails.
make_case() {
    local folder=$1
    shift
    "$python" "$corpus/make_case.py" --images "$corpus/images" --out "$folder" "$@" 2>"$work/making" ||
        { cat "$work/making" >&2; return 1; }
}

# add_customers NAME...: each can sign in with the password "secret".
add_customers() {
    local name
    for name in "$@"; do
        echo secret | { "$REUNITE" customer passwd "$name" 2>/dev/null || "$REUNITE" customer add "$name"; }
    done
}

start_server() {
    local any=127.0.0.1:0
    # What an earlier server said is not this one's.
    : >"$work/ready"
    "$REUNITE" serve --ftp $any --sftp $any --web $any >"$work/ready" 2>"$work/log" &
    server=$!
    until grep -q '^ready ' "$work/ready"; do
        kill -0 "$server" || { cat "$work/log" >&2; return 1; }
        sleep 0.1
    done
    ftp=$(tr ' ' '\n' <"$work/ready" | sed -n 's/^ftp=//p')
}

# upload FOLDER PLACE: a customer's folder, named like the customer, to a place of the customer's tree.
upload() {
    lftp --norc -c "set ftp:ssl-allow no; set cmd:fail-exit yes; open -u $(basename "$1"),secret ftp://$ftp; mirror -R --parallel=4 $1 $2"
}

# The largest resident sizes so far.
print_memory() {
    echo "largest resident size of the server: $(sed -n 's/^VmHWM:[^0-9]*//p' "/proc/$server/status")"
    local child
    for child in $(pgrep -P "$server"); do
        echo "... of its decode child: $(sed -n 's/^VmHWM:[^0-9]*//p' "/proc/$child/status")"
    done
}
