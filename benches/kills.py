#!/usr/bin/env python3
"""Kills `runnerctl apply` with SIGKILL at random moments on a real GARM, and looks what the next one makes of it.

    python3 benches/kills.py --garm A.json --runnerctl target/release/runnerctl --times 15 [--seed 1] [SITUATION…]

The JSON file describes a GARM that exists for this alone (tests/README.md, "With a real GARM"; also `org_name`
and two `providers`). Situations: `creates` (six pools), `together` (the same by two applies at once, both killed),
`replaces` (three pools, one of them with an idle runner, get another provider), `returns` (the same, and the
files are put back after the kill). Each time the next `apply` has no leave to destroy at first; where it refuses
(6), nothing may be lost, and it gets the leave. In the end GARM must have exactly the declared pools, enabled and
at their level, without a mark of anything half done, and `plan`, `status` and `watch` must name the same pools.
Prints a line for each situation, and one that begins with `FINDING` for whatever is not so; exits with 1 after a
finding. Python 3.11, nothing else.
"""
import argparse, json, os, pathlib, random, signal, subprocess, sys, tempfile, time, urllib.error, urllib.request

from real_garm import Site, free_port, until

CREATED = [f"c{n}" for n in range(6)]
REPLACED = ["r0", "r1", "r2"]


class Fleet:
    """One fleet of a GARM, and its commands."""

    def __init__(self, folder, site, binary):
        self.folder, self.site, self.binary = pathlib.Path(folder), site, binary
        (self.folder / "password").touch(mode=0o600)
        (self.folder / "password").write_text(site.it["admin_password"])
        for name in ("pools", "state"):
            (self.folder / name).mkdir()
        self.port = free_port()

    def declare(self, names, provider):
        it = self.site.it
        (self.folder / "runnerctl.yaml").write_text(
            f"fleet: kills\ngarm:\n  url: {it['garm_url']}\n  username: {it['admin_user']}\n  password: file:password\n"
            f"defaults:\n  organization: {it['org_name']}\n  provider: {provider}\n  image: ubuntu-24.04\n"
            f"  instance_type: m5.large\nwatch:\n  listen: 127.0.0.1:{self.port}\n")
        pools = "".join(f"  - name: {name}\n    max_runners: 3\n    min_idle_runners: {int(name == 'r0')}\n" for name in names)
        (self.folder / "pools/pools.yaml").write_text("pools:\n" + pools)

    def start(self, *words):
        env = os.environ | {"STATE_DIRECTORY": str(self.folder / "state")}
        return subprocess.Popen([self.binary, *words], cwd=self.folder, env=env, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def run(self, *words):
        process = self.start(*words)
        text = process.communicate(timeout=600)[0]
        return process.returncode, text

    def json(self, *words):
        env = os.environ | {"STATE_DIRECTORY": str(self.folder / "state")}
        done = subprocess.run([self.binary, *words, "-o", "json"], cwd=self.folder, env=env, capture_output=True, text=True)
        return json.loads(done.stdout)

    def pools(self):
        """The pools of this fleet in GARM, each with the mark that it bears."""
        found = []
        for pool in self.site.api("GET", "/pools"):
            for tag in pool["tags"]:
                if tag["name"].startswith("runnerctl") and "=kills/" in tag["name"]:
                    found.append((tag["name"], pool))
        return found

    def clear(self):
        for _, pool in self.pools():
            self.site.clear(pool["id"])

    def steered(self):
        """Which pool `watch` steers by each name."""
        watch = self.start("watch", "--dry-run")
        found = {}

        def answers():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/decisions", timeout=5) as answer:
                    found.update({it["pool"]: it["pool_id"] for it in json.load(answer)["pools"]})
            except (urllib.error.URLError, OSError):
                pass
            return bool(found)

        try:
            until("watch to answer", answers, 20)
        finally:
            watch.send_signal(signal.SIGTERM)
            watch.communicate(timeout=30)
        return found


def faults(fleet, names, provider):
    """What is not as it was declared."""
    wrong, pools = [], fleet.pools()
    marks = sorted(mark for mark, _ in pools)
    if marks != sorted(f"runnerctl=kills/{name}" for name in names):
        return [f"the marks in GARM are {marks}"]
    ids = {mark.split("/")[1]: pool["id"] for mark, pool in pools}
    for mark, pool in pools:
        level = int(mark.endswith("/r0"))
        got = (pool["provider_name"], pool.get("enabled", False), pool.get("min_idle_runners", 0))
        if got != (provider, True, level):
            wrong.append(f"{mark} is {got}")
    steps = fleet.json("plan")["steps"]
    if steps:
        wrong.append(f"plan still has {[(it['action'], it['pool']) for it in steps]}")
    said = {it["name"]: it["pool_id"] for it in fleet.json("status")["pools"]}
    if said != ids:
        wrong.append(f"status names {said}, GARM has {ids}")
    steered = fleet.steered()
    if steered != ids:
        wrong.append(f"watch steers {steered}, GARM has {ids}")
    return wrong


def settle(fleet, before):
    """Applies without leave to destroy, then with it. Says what was wrong on the way, and whether it asked."""
    code, text = fleet.run("apply", "--auto-approve")
    if code == 0:
        return [], False
    if code != 6:
        return [f"apply ended {code}:\n{text}"], False
    lost = sorted(before - {pool["id"] for _, pool in fleet.pools()})
    wrong = [f"refused, and {lost} are gone"] if lost else []
    code, text = fleet.run("apply", "--auto-approve", "--allow-destroy=all")
    return wrong + ([f"apply --allow-destroy=all ended {code}:\n{text}"] if code else []), True


def once(fleet, situation, moment):
    """One kill; `moment` is a share of the time that an undisturbed apply takes."""
    first, second = fleet.site.it["providers"][:2]
    leave = ["--allow-destroy=all"] if situation in ("replaces", "returns") else []
    if leave:
        fleet.declare(REPLACED, first)
        code, text = fleet.run("apply", "--auto-approve")
        if code:
            return [f"the apply before ended {code}:\n{text}"], False
        until("an idle runner", lambda: any(fleet.site.idle(pool["id"]) for _, pool in fleet.pools()), 60)
        fleet.declare(REPLACED, second)
    else:
        fleet.declare(CREATED, first)
    before = {pool["id"] for _, pool in fleet.pools()}
    runs = [fleet.start("apply", "--auto-approve", *leave) for _ in range(2 if situation == "together" else 1)]
    for run, share in zip(runs, moment):
        time.sleep(share)
        run.kill()
    for run in runs:
        run.communicate()
    if situation == "returns":
        fleet.declare(REPLACED, first)
    wrong, asked = settle(fleet, before if situation == "replaces" else set())
    names, provider = (REPLACED, first if situation == "returns" else second) if leave else (CREATED, first)
    return wrong + faults(fleet, names, provider), asked


def undisturbed(fleet, situation):
    """How long an apply takes that is not killed."""
    first, second = fleet.site.it["providers"][:2]
    if situation in ("creates", "together"):
        fleet.declare(CREATED, first)
    else:
        fleet.declare(REPLACED, first)
        fleet.run("apply", "--auto-approve")
        until("an idle runner", lambda: any(fleet.site.idle(pool["id"]) for _, pool in fleet.pools()), 60)
        fleet.declare(REPLACED, second)
    began = time.time()
    code, text = fleet.run("apply", "--auto-approve", "--allow-destroy=all")
    took = time.time() - began
    if code:
        print(f"FINDING an undisturbed apply ended {code}:\n{text}", flush=True)
    fleet.clear()
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--garm", required=True)
    parser.add_argument("--runnerctl", required=True, type=lambda it: str(pathlib.Path(it).resolve()))
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("situations", nargs="*", default=["creates", "together", "replaces", "returns"])
    args = parser.parse_args()
    site, findings = Site(args.garm, 300), 0
    for situation in args.situations:
        with tempfile.TemporaryDirectory() as folder:
            fleet = Fleet(folder, site, args.runnerctl)
            fleet.clear()
            took, asked = undisturbed(fleet, situation), 0
            for number in range(args.times):
                draw = random.Random(f"{args.seed}/{situation}/{number}")
                moment = [draw.uniform(0, took) for _ in range(2 if situation == "together" else 1)]
                wrong, has_asked = once(fleet, situation, moment)
                asked += has_asked
                for it in wrong:
                    findings += 1
                    print(f"FINDING {situation} {number}, killed after {moment}: {it}", flush=True)
                fleet.clear()
        print(f"{situation}: {args.times} kills within {took:.1f} s; the next apply needed leave to destroy {asked} times",
              flush=True)
    print(f"{findings} findings", flush=True)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
