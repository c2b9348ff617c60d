#!/usr/bin/env bash
# Reads 100,000 orders of a simulated shop into an empty ledger, killed (kill -9) twice on the way, and shows that
# nothing is missing, that a second backfill writes nothing, and how many requests it took.
set -euo pipefail
cd "$(dirname "$0")/.."
orders=${ORDERS:-100000}

cargo build --profile test --locked --quiet --workspace --bins
programs=${CARGO_TARGET_DIR:-$PWD/target}/debug
folder=$(mktemp -d)
trap 'kill "$shop" 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

"$programs/sandbox" serve --json --port 0 --every 0 --seed-orders "$orders" > shop.json &
shop=$!
until grep -q url shop.json; do sleep 0.1; done
url=$(grep -o 'http://[^"]*' shop.json)

tilaussilta() { "$programs/tilaussilta" "$@" --sandbox="$url" --json; }
backfill() { tilaussilta backfill acme --from "$(date --date '1 year ago' +%F)" "$@"; }
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
before=$(tilaussilta show mycashflow/acme 1 | sha256sum)
report=$(backfill)
after=$(tilaussilta show mycashflow/acme 1 | sha256sum)
new=$(field new <<< "$report") updated=$(field updated <<< "$report") pages=$(field pages <<< "$report")
echo "again: $new new, $updated updated, $pages requests for $orders orders; missing or different: $missing"
[ "$missing" = 0 ] && [ "$new" = 0 ] && [ "$updated" = 0 ] && [ "$before" = "$after" ]
# An order at each page's edge is read twice, so a page brings 98 or 99 that are new.
[ "$pages" -le $((orders / 98 + 2)) ]
echo "complete: nothing is missing, the second backfill wrote nothing"
