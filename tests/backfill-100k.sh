#!/usr/bin/env bash
# Reads 100,000 orders of a make-believe shop into an empty ledger, killed (kill -9) twice on the way, and shows that
# nothing is missing, that a second backfill writes nothing, and how many requests it took.
set -euo pipefail
cd "$(dirname "$0")/.."
orders=${ORDERS:-100000}

cargo build --profile simulation --locked --quiet --package tilaussilta-sandbox
sandbox=${CARGO_TARGET_DIR:-$PWD/target}/simulation/sandbox
folder=$(mktemp -d)
trap 'kill "$shop" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

# The shop plays on a ledger of its own; the backfill's ledger is another file, made by a short run.
"$sandbox" serve --json --port 0 --every 0 --seed-orders "$orders" --database shop.db > shop.json &
shop=$!
until grep -q url shop.json; do sleep 0.1; done
"$sandbox" serve --json --port 0 --every 0 --database ledger.db > made.json &
made=$!
until grep -q url made.json; do sleep 0.1; done
kill "$made"
wait "$made" 2> /dev/null || true

backfill() { "$sandbox" backfill acme --from "$(date --date '1 year ago' +%F)" --database ledger.db --json "$@"; }
field() { grep -o "\"$1\": *[0-9]*" | grep -o '[0-9]*$'; }

for seconds in 5 10; do
    backfill > /dev/null 2>&1 &
    run=$!
    sleep "$seconds"
    # The function's subshell and the command in it.
    pkill -9 --parent "$run" || true
    kill -9 "$run" 2> /dev/null || true
    wait "$run" 2> /dev/null || true
    echo "killed after $seconds s: $(backfill --dry-run | field missing) of $orders orders are missing"
done

report=$(backfill)
echo "third run: $(field new <<< "$report") new, $(field unchanged <<< "$report") unchanged, $(field pages <<< "$report") requests"
missing=$(backfill --dry-run | grep -c '"known"' || true) # Each difference has this field.
before=$("$sandbox" show mycashflow/acme 1 --database ledger.db --json | sha256sum)
report=$(backfill)
after=$("$sandbox" show mycashflow/acme 1 --database ledger.db --json | sha256sum)
new=$(field new <<< "$report") updated=$(field updated <<< "$report") pages=$(field pages <<< "$report")
echo "again: $new new, $updated updated, $pages requests for $orders orders; missing or different: $missing"
[ "$missing" = 0 ] && [ "$new" = 0 ] && [ "$updated" = 0 ] && [ "$before" = "$after" ]
# An order at each page's edge is read twice, so a page brings 98 or 99 that are new.
[ "$pages" -le $((orders / 98 + 2)) ]
echo "complete: nothing is missing, the second backfill wrote nothing"
