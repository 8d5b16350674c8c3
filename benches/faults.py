#!/usr/bin/env python3
"""Random faults and random loads on two real GARMs at once: one under `runnerctl watch`, one alone.

    python3 benches/faults.py --ours A.json --alone B.json --runnerctl target/release/runnerctl \\
        --minutes 60 --seed 1

The JSON files describe two GARMs that exist for this alone, each with a scriptable GitHub
(tests/README.md, "With a real GARM"; also `org_id`, `org_name` and `garm_pid`). Each round draws one or
two faults and a load from the seed, gives both sides the same, ends the faults after a minute, and
waits until the jobs have started. A fault of a runner is a number of runners: as many of the next ones
fail on either side, however early it makes them. A webhook is lost on both sides or on neither. So the
script of GitHub needs the settings `create_fail_next`, `boot_fail_next`, `boot_hang_next`,
`offline_next` (so many of the next ones) and `seed` (of the lost webhooks). It prints one line per round, and a line that begins with
`FINDING` for each of: a job that was killed; more runners than `max_runners`; a job that waited
longer than the longest wait under GARM alone by more than the allowance; a job that was never
served; runners left over after five minutes (fifteen where GARM calls a job queued that has started);
a `watch` that ended by itself; a broken audit log. Jobs whose `queued`
webhook was lost are left out of the waits, because no GARM can know them. A job that GARM alone has
not started when it has waited for longer than any of ours is cancelled, and has waited that long.
`--replay 101/5` begins with round 5 of seed 101. Exits with 1 after a finding. Python 3.11, nothing else.
"""
import argparse, json, os, pathlib, random, signal, subprocess, sys, tempfile, threading, time, urllib.error

from real_garm import Site, call, free_port, until

MAX = {"a": 6, "b": 6, "c": 8}
LABEL = {"a": "x", "b": "x", "c": "y"}
IDLE = {"a": 0, "b": 0, "c": 2}
ALLOWANCE = 20.0
CALM = {"webhook_drop_rate": 0.0, "webhook_delay_s": 0.0, "create_fail_rate": 0.0, "create_delay_s": 0.0,
        "delete_fail_rate": 0.0, "delete_delay_s": 0.0,
        "online_delay_s": 0.1, "assign": True, "assign_delay_s": 1.5, "api_fail_rate": 0.0,
        "api_fail_status": 500, "boot_delay_s": 5.0, "boot_jitter_s": 1.0}
# Faults that end with the runners they hit, not with the minute.
NO_RUNNER_FAULTS = {"create_fail_next": 0, "boot_fail_next": 0, "boot_hang_next": 0, "offline_next": 0}

# What goes wrong: settings of the simulated GitHub and cloud, or a signal to a process.
FAULTS = {
    "slow pick-up": lambda draw: {"assign_delay_s": draw.choice([10.0, 30.0])},
    "no pick-up": lambda draw: {"assign": False},
    "lost webhooks": lambda draw: {"webhook_drop_rate": draw.choice([0.1, 0.4])},
    "late webhooks": lambda draw: {"webhook_delay_s": draw.choice([2.0, 8.0])},
    "failing creates": lambda draw: {"create_fail_next": draw.choice([2, 5])},
    "slow creates": lambda draw: {"create_delay_s": draw.choice([5.0, 15.0])},
    "failing boots": lambda draw: {"boot_fail_next": draw.choice([2, 4])},
    "hanging boots": lambda draw: {"boot_hang_next": draw.choice([2, 4])},
    "slow deletes": lambda draw: {"delete_delay_s": draw.choice([10.0, 30.0])},
    "failing deletes": lambda draw: {"delete_fail_rate": 0.5},
    "runners never online": lambda draw: {"offline_next": draw.choice([2, 5])},
    "GitHub refuses": lambda draw: {"api_fail_rate": 0.7, "api_fail_status": draw.choice([403, 500])},
    "GARM stopped for 20 s": lambda draw: "garm",
    "watch killed": lambda draw: "kill",
    "watch stopped for 20 s": lambda draw: "stop",
}


class Side:
    """One GARM with three pools."""

    def __init__(self, path, backoff, name):
        self.site, self.name, self.pools = Site(path, backoff), name, {}
        self.site.github("/config", CALM | NO_RUNNER_FAULTS)
        for pool, label in LABEL.items():
            labels = [f"faults-{label}"] + ([f"runnerctl=faults/{pool}"] if name == "ours" else [])
            spec = {"provider_name": self.site.it["providers"][0], "image": "ubuntu-24.04", "flavor": "m5.large",
                    "os_type": "linux", "os_arch": "amd64", "tags": labels, "enabled": True,
                    "max_runners": MAX[pool], "min_idle_runners": IDLE[pool], "priority": 10 if pool == "a" else 0,
                    "runner_prefix": f"{name}-{pool}", "runner_bootstrap_timeout": 20}
            self.pools[pool] = self.site.api("POST", f"/organizations/{self.site.it['org_id']}/pools", spec)["id"]

    def log(self, since):
        found = self.site.github(f"/log?since={since}")
        return found["log"] if isinstance(found, dict) else found

    def live(self):
        return {pool: len(self.site.instances(it)) for pool, it in self.pools.items()}

    def left(self):
        """Runners that are left, without those whose VMs hang: they stay until `boot_grace` is over."""
        hangs = {"pending", "installing"}
        return {pool: sum(it["status"] != "running" or it["runner_status"] not in hangs
                          for it in self.site.instances(id)) for pool, id in self.pools.items()}

    def calls_queued(self):
        """Whether GARM calls a job queued, although all have started: its later webhooks were lost. `watch`
        cannot tell and keeps runners for it, for ten minutes at most."""
        return any(job["status"] == "queued" for job in self.site.api("GET", "/jobs"))

    def queue(self, jobs, ids):
        for second, label, count, duration in jobs:
            time.sleep(max(0, self.began + second - time.time()))
            made = self.site.github("/jobs", {"count": count, "labels": [f"faults-{label}"], "duration_s": duration})
            ids += made["ids"] if isinstance(made, dict) else made

    def measure(self, ids):
        """Waits of the jobs, those that GARM was never told of aside."""
        log = self.log(self.began - 1)
        unknown = {e["job"] for e in log if e["ev"] == "webhook_dropped" and e["action"] == "queued"}
        started = {e["job"]: e["waited"] for e in log if e["ev"] == "job_started" and e["job"] in ids}
        known = [job for job in ids if job not in unknown]
        queued = {e["job"]: e["t"] for e in log if e["ev"] == "job_queued"}
        unserved = [job for job in known if job not in started]
        return {"waits": sorted(started[job] for job in known if job in started),
                "unserved": unserved,
                "longest": max([0.0] + [started[job] for job in known if job in started]
                               + [time.time() - queued[job] for job in unserved]),
                "killed": sum(bool(e.get("killed_job")) for e in log if e["ev"] == "vm_deleted")}


class Watch:
    """`runnerctl watch`, with its files in one folder."""

    def __init__(self, folder, side, args):
        self.folder, self.args, self.process = folder, args, None
        it = side.site.it
        (folder / "password").touch(mode=0o600)
        (folder / "password").write_text(it["admin_password"])
        (folder / "pools").mkdir()
        (folder / "state").mkdir()
        pools = "".join(
            f"  - name: {pool}\n    max_runners: {MAX[pool]}\n    min_idle_runners: {IDLE[pool]}\n"
            f"    labels: [faults-{label}]\n    priority: {10 if pool == 'a' else 0}\n    runner_prefix: ours-{pool}\n"
            for pool, label in LABEL.items())
        (folder / "pools/pools.yaml").write_text("pools:\n" + pools)
        (folder / "runnerctl.yaml").write_text(
            f"fleet: faults\ngarm:\n  url: {it['garm_url']}\n  username: {it['admin_user']}\n  password: file:password\n"
            f"controller:\n  minimum_job_age_backoff: 5m\n"
            f"defaults:\n  organization: {it['org_name']}\n  provider: {it['providers'][0]}\n  image: ubuntu-24.04\n"
            f"  instance_type: m5.large\n  default_labels: false\n  scale_up_threshold: 1\n  scale_up_delay: 10s\n"
            f"  scale_down_delay: 60s\n  max_queue_wait: 30s\n"
            f"watch:\n  listen: 127.0.0.1:{free_port()}\n  audit: audit.jsonl\n")

    def start(self):
        with open(self.args.log, "ab") as log:
            env = os.environ | {"STATE_DIRECTORY": str(self.folder / "state")}
            self.process = subprocess.Popen([self.args.runnerctl, "watch"], cwd=self.folder, env=env, stdout=log, stderr=log)

    def audit(self):
        done = subprocess.run([self.args.runnerctl, "audit", "verify", "audit.jsonl"], cwd=self.folder,
                              capture_output=True, text=True)
        return done.returncode, (done.stdout + done.stderr).strip().splitlines()[:1]


def load(draw):
    """Batches of (second, label, jobs, duration)."""
    batches = [(draw.randrange(0, 50), draw.choice("xxy"), draw.randrange(1, 6), draw.choice([3, 10, 20]))
               for _ in range(draw.randrange(2, 6))]
    return sorted(batches)


def break_things(chosen, draw, sides, watch, seed):
    settings = {"seed": seed} | NO_RUNNER_FAULTS
    for name in chosen:
        what = FAULTS[name](draw)
        if isinstance(what, dict):
            settings |= what
        elif what == "kill":
            watch.process.kill()
            watch.process.wait()
            watch.start()
        elif what == "stop":
            watch.process.send_signal(signal.SIGSTOP)
            threading.Timer(20, watch.process.send_signal, [signal.SIGCONT]).start()
        else:
            for side in sides:
                pid = side.site.it["garm_pid"]
                os.kill(pid, signal.SIGSTOP)
                threading.Timer(20, os.kill, [pid, signal.SIGCONT]).start()
    for side in sides:
        side.site.github("/config", settings)


def one_round(number, draw, sides, watch):
    chosen = draw.sample(list(FAULTS), draw.choice([1, 1, 2]))
    batches = load(draw)
    jobs = {side.name: [] for side in sides}
    highest = {side.name: dict.fromkeys(LABEL, 0) for side in sides}
    for side in sides:
        side.began = time.time()
    break_things(chosen, draw, sides, watch, number)
    queues = [threading.Thread(target=side.queue, args=(batches, jobs[side.name])) for side in sides]
    for queue in queues:
        queue.start()
    healed = False
    end = time.time() + 480
    while time.time() < end:
        time.sleep(1)
        if not healed and time.time() > sides[0].began + 60:
            healed = True
            for side in sides:
                side.site.github("/config", CALM)
        try:
            for side in sides:
                for pool, live in side.live().items():
                    highest[side.name][pool] = max(highest[side.name][pool], live)
            if healed and not any(queue.is_alive() for queue in queues):
                ours, alone = (side.measure(jobs[side.name]) for side in sides)
                if not ours["unserved"] and (not alone["unserved"] or alone["longest"] > ours["longest"]):
                    break
        except (urllib.error.URLError, OSError):
            pass  # GARM is stopped
    found = {side.name: side.measure(jobs[side.name]) for side in sides}
    ours, alone = found["ours"], found["alone"]
    for job in alone["unserved"]:
        sides[1].site.github(f"/jobs/{job}/cancel", {})
    longest = {name: it["longest"] for name, it in found.items()}
    middle = {name: it["waits"][len(it["waits"]) // 2] if it["waits"] else 0.0 for name, it in found.items()}
    total = sum(count for _, _, count, _ in batches)
    print(f"round {number}: {', '.join(chosen)}; {total} jobs; median/longest wait "
          f"{middle['ours']:.0f}/{longest['ours']:.0f} s, GARM alone {middle['alone']:.0f}/{longest['alone']:.0f} s"
          f"{' and not served' if alone['unserved'] else ''}; "
          f"most runners {highest['ours']}", flush=True)
    findings = []
    if ours["killed"]:
        findings.append(f"{ours['killed']} jobs were killed")
    findings += [f"{pool}: {live} runners, max_runners {MAX[pool]}"
                 for pool, live in highest["ours"].items() if live > MAX[pool]]
    if ours["unserved"] and len(ours["unserved"]) > len(alone["unserved"]):
        findings.append(f"{len(ours['unserved'])} jobs were not served in 480 s, under GARM alone {len(alone['unserved'])}")
    # The policy waits for 10 s before it acts, then for two of GARM's ticks, boot and assignment.
    if longest["ours"] > max(longest["alone"], 30.0) + ALLOWANCE:
        findings.append(f"a job waited {longest['ours']:.0f} s, under GARM alone {longest['alone']:.0f} s")
    if watch.process.poll() is not None:
        findings.append(f"watch ended with {watch.process.returncode}")
        watch.start()
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--alone", required=True)
    parser.add_argument("--runnerctl", required=True, type=lambda it: str(pathlib.Path(it).resolve()))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", nargs="*", default=[], help="rounds to begin with, each as SEED/ROUND")
    parser.add_argument("--log", default=os.devnull, help="file for the log of `watch`")
    args = parser.parse_args()
    sides = [Side(args.ours, 300, "ours"), Side(args.alone, 30, "alone")]
    findings, end, rounds = 0, time.time() + args.minutes * 60, 0
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(pathlib.Path(folder), sides[0], args)
        watch.start()
        while time.time() < end:
            rounds += 1
            again = len(args.replay)
            number = args.replay[rounds - 1] if rounds <= again else f"{args.seed}/{rounds - again}"
            draw = random.Random(number)
            with open(args.log, "a") as log:
                log.write(f"--- round {number}\n")
            for finding in one_round(number, draw, sides, watch):
                findings += 1
                print(f"FINDING round {number}: {finding}", flush=True)
            # Half of the rounds begin before the last one's runners have gone.
            if draw.random() < 0.5:
                rest = lambda: all(left <= IDLE[pool] for pool, left in sides[0].left().items())
                if not until("the runners to be gone", rest, 900 if sides[0].calls_queued() else 300):
                    findings += 1
                    print(f"FINDING round {number}: left over: {sides[0].left()}", flush=True)
        watch.process.send_signal(signal.SIGTERM)
        code = watch.process.wait(30)
        verified, words = watch.audit()
        print(f"watch ended with {code}; audit verify {verified}: {words}", flush=True)
        if code or verified:
            findings += 1
            print("FINDING: the end of watch or its audit log", flush=True)
    print(f"{rounds} rounds, {findings} findings", flush=True)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
