#!/usr/bin/env bash
# How long `watch` takes to record 30,000 runners that it sees for the first time, on a slow disk,
# with how much memory, and whether a record is lost. Usage: benches/first_sight.sh RUNNERCTL
set -euo pipefail
runnerctl=$(realpath "$1")
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
folder=$(mktemp -d)
cd "$folder"
mkdir pools
cc -shared -fPIC -o slow_disk.so "$here/slow_disk.c" -ldl
"$runnerctl" sandbox --listen 127.0.0.1:9971 --pools 300 --runners 30000 --jobs 100 \
    --write-config rc.yaml >sandbox.log 2>&1 &
sandbox=$!
trap 'kill "$sandbox"; rm -r "$folder"' EXIT
until [ -f rc.yaml ]; do sleep 0.2; done
sed -i 's/  listen: .*/  listen: 127.0.0.1:9972\n  audit: audit.jsonl/' rc.yaml
# The budget of GARM's answers grows with what is declared.
echo 'pools: [{ name: declared, max_runners: 40000, instance_type: m5.large }]' >pools/p.yaml
begin=$(date +%s.%N)
LD_PRELOAD="$folder/slow_disk.so" /usr/bin/time -f 'at most %M KB' \
    "$runnerctl" watch --config rc.yaml -f pools >watch.out 2>watch.err &
watch=$!
until [ -f audit.jsonl ] && [ "$(wc -l <audit.jsonl)" -ge 30000 ]; do
    kill -0 "$watch"
    sleep 0.5
done
echo "30000 records after $(echo "$(date +%s.%N) - $begin" | bc) s"
pkill -TERM -P "$watch"
wait "$watch"
tail -n 1 watch.err
"$runnerctl" audit verify audit.jsonl
