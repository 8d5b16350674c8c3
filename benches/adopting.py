#!/usr/bin/env python3
"""How long jobs wait while a pool made by hand is adopted, beside GARM alone, on two real GARMs.

    python3 benches/adopting.py --ours A.json --alone B.json --runnerctl target/release/runnerctl [--wrong]

The JSON files describe two GARMs that exist for this alone, each with a scriptable GitHub
(tests/README.md, "With a real GARM"; also `org_id` and `org_name`). Each has a pool made by hand, with no
idle runners and GARM's default backoff of 30 s, and gets a job of 10 s every 20 s. At ours the pool is
adopted in the order that README gives: import and apply, `autoscale: true` and apply, `watch`,
`minimum_job_age_backoff: 5m` and apply. Prints for each step: median wait / longest wait of the jobs queued
after it. With `--wrong` the backoff is raised right after the pool has been adopted, and what `plan`,
`status` and `watch` say about it is printed. Python 3.11, nothing else.
"""
import argparse, os, pathlib, signal, statistics, subprocess, tempfile, time

from real_garm import Site, free_port, until

PERIOD, SPAN = 20, 120


class Side:
    """One GARM, its pool and the jobs queued there."""

    def __init__(self, path, name):
        self.site, self.label, self.jobs, self.step = Site(path, 30), f"adopting-{name}", {}, None
        self.site.github("/config", {"assign_delay_s": 1.5, "webhooks": True})
        self.pool = self.site.make_pool(self.label, [self.label], 0)
        self.began = time.time()

    def queue(self):
        made = self.site.github("/jobs", {"count": 1, "labels": [self.label], "duration_s": 10})
        for job in made["ids"] if isinstance(made, dict) else made:
            self.jobs[job] = self.step

    def waits(self, step):
        found = self.site.github(f"/log?since={self.began}")
        log = found["log"] if isinstance(found, dict) else found
        started = {e["job"]: e["waited"] for e in log if e["ev"] == "job_started"}
        jobs = [job for job, its in self.jobs.items() if its == step]
        return sorted(started[job] for job in jobs if job in started), sum(job not in started for job in jobs)

    def unserved(self):
        return sum(self.waits(step)[1] for step in set(self.jobs.values()))


class Fleet:
    """The files and the commands of one user."""

    def __init__(self, folder, site, args):
        self.folder, self.args, self.process = pathlib.Path(folder), args, None
        (self.folder / "password").touch(mode=0o600)
        (self.folder / "password").write_text(site.it["admin_password"])
        (self.folder / "pools").mkdir()
        (self.folder / "state").mkdir()
        self.write("runnerctl.yaml", f"fleet: bench\ngarm:\n  url: {site.it['garm_url']}\n  username: {site.it['admin_user']}\n"
                   f"  password: file:password\ndefaults:\n  organization: {site.it['org_name']}\n"
                   f"watch:\n  listen: 127.0.0.1:{free_port()}\n  audit: audit.jsonl\n")

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def read(self, name):
        return (self.folder / name).read_text()

    def run(self, *words, fine=(0,)):
        env = os.environ | {"STATE_DIRECTORY": str(self.folder / "state")}
        done = subprocess.run([self.args.runnerctl, *words], cwd=self.folder, env=env, capture_output=True, text=True)
        if done.returncode not in fine:
            raise SystemExit(f"{words} ended {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout if words[0] == "import" else done.stdout + done.stderr

    def adopt(self):
        self.write("pools/imported.yaml", self.run("import"))
        return self.run("apply", "--auto-approve")

    def scale(self):
        self.write("pools/imported.yaml", self.read("pools/imported.yaml").replace("autoscale: false", "autoscale: true"))
        return self.run("apply", "--auto-approve")

    def watch(self):
        env = os.environ | {"STATE_DIRECTORY": str(self.folder / "state")}
        log = open(self.folder / "watch.log", "ab")
        self.process = subprocess.Popen([self.args.runnerctl, "watch"], cwd=self.folder, env=env, stdout=log, stderr=log)

    def raise_backoff(self):
        self.write("runnerctl.yaml", self.read("runnerctl.yaml") + "controller:\n  minimum_job_age_backoff: 5m\n")
        plan = self.run("plan")
        return plan + self.run("apply", "--auto-approve")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            if self.process.wait(30) != 0:
                print(f"  watch ended {self.process.returncode}", flush=True)


def right_order(fleet):
    return [("made by hand", lambda: None), ("imported and adopted", fleet.adopt), ("`autoscale: true`", fleet.scale),
            ("`watch` runs", fleet.watch), ("backoff of 5m", fleet.raise_backoff), ("later", lambda: None)]


def wrong_order(fleet):
    def told():
        return "$ status\n" + fleet.run("status")

    return [("made by hand", lambda: None), ("imported and adopted", fleet.adopt),
            ("backoff of 5m, nothing else", fleet.raise_backoff), ("`watch` runs", fleet.watch), ("later", told)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--alone", required=True)
    parser.add_argument("--runnerctl", required=True, type=lambda it: str(pathlib.Path(it).resolve()))
    parser.add_argument("--log", default=os.devnull, help="where the words of the commands and of `watch` go")
    parser.add_argument("--wrong", action="store_true", help="raise the backoff before anything scales the pool")
    args = parser.parse_args()
    sides = ours, alone = Side(args.ours, "ours"), Side(args.alone, "alone")
    with tempfile.TemporaryDirectory() as folder, open(args.log, "a") as log:
        fleet = Fleet(folder, ours.site, args)
        steps = wrong_order(fleet) if args.wrong else right_order(fleet)
        try:
            for name, act in steps:
                log.write(f"--- {name}\n{act() or ''}\n")
                log.flush()
                for side in sides:
                    side.step = name
                for _ in range(SPAN // PERIOD):
                    for side in sides:
                        side.queue()
                    time.sleep(PERIOD)
            until("all jobs to start", lambda: not any(side.unserved() for side in sides), 400)
        finally:
            fleet.stop()
            if (fleet.folder / "watch.log").exists():
                log.write("--- the log of watch\n" + fleet.read("watch.log"))
    print("| jobs queued after | ours | GARM alone |\n|---|---|---|")
    for name, _ in steps:
        cells = []
        for side in sides:
            waits, left = side.waits(name)
            cells.append((f"{statistics.median_low(waits):.0f} / {waits[-1]:.0f}" if waits else "–")
                         + (f", **{left} not started**" if left else ""))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    for side in sides:
        side.site.clear(side.pool)


if __name__ == "__main__":
    main()
