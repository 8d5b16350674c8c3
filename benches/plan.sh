#!/usr/bin/env bash
# Times `runnerctl plan` of 1,000 pools, 10,000 runners and 5,000 queued jobs on a sandbox, beside
# curl that fetches the same documents, and `runnerctl --version`.
# Usage: cargo build --release && benches/plan.sh [RUNNERCTL [SANDBOX'S RUNNERCTL]]
# Needs bash, curl, GNU time. Writes into a temporary folder only; fails when a bound is missed.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
runnerctl=$(realpath "${1:-$here/target/release/runnerctl}")
server=$(realpath "${2:-$runnerctl}")
work=$(mktemp -d)
cd "$work"
"$server" sandbox --listen 127.0.0.1:0 --pools 1000 --runners 10000 --jobs 5000 \
    --write-config runnerctl.yaml >/dev/null 2>sandbox.log &
sandbox=$!
trap 'kill "$sandbox" 2>/dev/null || true; rm -rf "$work"' EXIT
until [ -f runnerctl.yaml ]; do
    kill -0 "$sandbox" || { cat sandbox.log; exit 1; }
    sleep 0.1
done
mkdir pools
"$runnerctl" import >imported.yaml 2>/dev/null
mv imported.yaml pools/

# What `plan` reads: login, controller, pools, the organization with its pools, instances, jobs.
url=$(sed -n 's/^  url: //p' runnerctl.yaml)/api/v1
login=$(printf '{"username":"admin","password":"%s"}' "$(cat runnerctl.yaml.password)")
token() { curl -sS "$url/auth/login" -d "$login" | sed 's/.*"token":"\([^"]*\)".*/\1/'; }
organization=$(curl -sS -H "Authorization: Bearer $(token)" "$url/organizations" |
    grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
fetch() {
    curl -sS -H "Authorization: Bearer $(token)" -w '%{size_download}\n' \
        -o /dev/null "$url/controller-info" -o /dev/null "$url/pools" \
        -o /dev/null "$url/organizations/$organization" \
        -o /dev/null "$url/instances" -o /dev/null "$url/jobs"
}

# Best of seven, in seconds.
best() {
    for _ in 1 2 3 4 5 6 7; do
        command time -f %e -o took "$@" >out 2>/dev/null
        cat took
    done | sort -n | head -1
}
export -f fetch token
export url login organization
curl_s=$(best bash -c fetch)
bytes=$(awk '{ sum += $1 } END { print sum }' out)
plan_s=$(best "$runnerctl" plan)
tail -1 out
rss_kb=$(command time -f %M "$runnerctl" plan 2>&1 >/dev/null | tail -1)
version_ms=$({ TIMEFORMAT=%R; time for _ in $(seq 100); do "$runnerctl" --version >/dev/null; done; } 2>&1 |
    awk '{ print $1 * 10 }')

echo "documents: $bytes bytes; curl $curl_s s; plan $plan_s s, $rss_kb KB resident at most"
echo "--version: $version_ms ms (mean of 100)"
awk -v p="$plan_s" -v c="$curl_s" -v v="$version_ms" \
    'BEGIN { printf "plan is %.2f x curl (at most 1.5)\n", p / c; exit !(p <= 1.5 * c && v < 10) }'
