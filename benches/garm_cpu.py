#!/usr/bin/env python3
"""How much CPU a real GARM needs for the full reads of `watch`.

    python3 benches/garm_cpu.py GARM.json --runnerctl target/release/runnerctl

The JSON file describes a GARM (tests/README.md, "With a real GARM"; also `org_name` and `garm_pid`) that has pools and
runners and is otherwise idle. Prints the CPU that GARM uses by itself, the CPU seconds of one full read (the mean of ten),
the time between two full reads of `watch`, and what share of a core its reads therefore take. Python 3.11.
"""
import argparse, os, pathlib, re, tempfile, time, urllib.request

from adopting import Fleet
from real_garm import Site


def cpu(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def read_cost(site, pid):
    """Seconds of CPU that GARM takes by itself per second, and for one full read."""
    before, began = cpu(pid), time.monotonic()
    time.sleep(60)
    base = (cpu(pid) - before) / (time.monotonic() - began)
    before, began = cpu(pid), time.monotonic()
    for _ in range(10):
        for path in ("/instances", "/jobs", "/pools", "/scalesets"):
            site.api("GET", path)
    return base, (cpu(pid) - before - base * (time.monotonic() - began)) / 10


def interval(port):
    """The present time between two full reads, in seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return float(re.search(r"^runnerctl_resync_interval_seconds (\S+)$", answer.read().decode(), re.M)[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("garm")
    parser.add_argument("--runnerctl", type=os.path.abspath, required=True)
    args = parser.parse_args()
    site = Site(args.garm, 86400)
    print(f"{len(site.api('GET', '/instances'))} instances, {len(site.api('GET', '/jobs'))} jobs")
    base, read = read_cost(site, site.it["garm_pid"])
    print(f"GARM alone {100 * base:.1f} % of a core; one full read {read:.2f} s of CPU", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(folder, site, args)
        port = re.search(r"listen: 127.0.0.1:(\d+)", fleet.read("runnerctl.yaml"))[1]
        fleet.adopt()
        fleet.watch()
        time.sleep(20)
        every = interval(port)
        print(f"watch reads everything every {every:.0f} s: {100 * read / every:.1f} % of a core")
        fleet.stop()


main()
