#!/usr/bin/env python3
"""How long jobs wait under `runnerctl watch`, beside GARM alone, on two real GARMs at the same time.

    python3 benches/real_garm.py --ours A.json --alone B.json --runnerctl target/release/runnerctl [LOAD…]

Each JSON file describes a GARM that is there for this alone, with a GitHub whose jobs can be
scripted (tests/README.md, "With a real GARM"; also `org_id` and `org_name`). Ours gets a backoff of
300 s and the pool's own policy, the other one GARM's default of 30 s and as many idle runners.
Prints one line of a table for each load: median wait / longest wait / VM-seconds, how many of these
were idle beyond the runners to be kept (R2's hold, or a surplus), jobs that were killed, and what was
left over. A load may be named several times. Python 3.11, nothing else.

    … --kind scale_set [--delete-delay 20]       the same loads served by scale sets
    … --set-ours C.json --set-alone D.json       by pools and, at two more GARMs, by scale sets at the same time
    … --first-bursts 60                          18 jobs each for scale sets that are three to eight seconds old

    … --before OLD --before-garm C.json late held lost offline equal hooks unsteered deletions group refused revoked

runs situations in which runners, GitHub or GARM misbehave, and with `--before` another runnerctl at a
third GARM beside the two. Prints for each: median wait / longest wait of the jobs that started within the
time given, how many did not, VMs made.
"""
import argparse, concurrent.futures, http.server, json, os, pathlib, random, signal, socket, statistics, subprocess
import tempfile, threading, time, urllib.error, urllib.request

DELAYS = "    scale_up_delay: 10s\n    scale_down_delay: 60s\n"

# name: what it is, batches of (second, jobs, duration), fields of the pool, idle runners of GARM alone
LOADS = {
    "twelve": ("12 jobs of 20 s, later 3 of 3 s; 2 kept idle", [(0, 12, 20), (75, 3, 3)],
               "    min_idle_runners: 2\n    scale_up_threshold: 1\n" + DELAYS, 2),
    "thirty": ("30 jobs of 20 s; 2 kept idle", [(0, 30, 20)],
               "    min_idle_runners: 2\n    scale_up_threshold: 1\n" + DELAYS, 2),
    "eighteen": ("18 jobs of 20 s, from zero", [(0, 18, 20)], "    scale_up_threshold: 1\n" + DELAYS, 0),
    "stream": ("a job each 3 s, 30 of 10 s; 2 kept idle, delay 30 s", [(3 * n, 1, 10) for n in range(30)],
               "    min_idle_runners: 2\n    scale_up_threshold: 1\n    scale_down_delay: 60s\n", 2),
    "waves": ("8 jobs of 10 s each 25 s, 48 of them, from zero", [(25 * n, 8, 10) for n in range(6)],
              "    scale_up_threshold: 1\n" + DELAYS, 0),
    "floor": ("12 jobs of 20 s, later 3 of 3 s; `min_runners: 2`", [(0, 12, 20), (75, 3, 3)],
              "    min_runners: 2\n    scale_up_threshold: 1\n" + DELAYS, 2),
    "hundred": ("100 jobs of 3 s; `min_runners: 2`", [(0, 100, 3)],
                "    min_runners: 2\n    scale_up_threshold: 1\n" + DELAYS, 2),
    "seven": ("7 jobs of 60 s; `min_runners: 2`, threshold 5, `max_queue_wait` 2m", [(0, 7, 60)],
              "    min_runners: 2\n    scale_up_threshold: 5\n    max_queue_wait: 2m\n" + DELAYS, 2),
    "silent": ("10 jobs of 10 s, from zero, no events", [(0, 10, 10)], "    scale_up_threshold: 1\n" + DELAYS, 0),
    "default": ("12 jobs of 20 s; 2 kept idle, GARM's backoff left at 30 s, delay 30 s", [(0, 12, 20)],
                "    min_idle_runners: 2\n    scale_up_threshold: 1\n    scale_down_delay: 60s\n", 2),
}


# What the fake GitHub and the provider do when nothing else is said, and what situations change of it.
CALM = {"boot_delay_s": 5, "boot_jitter_s": 1, "install_delay_s": 0.3, "online_delay_s": 0.1, "assign_delay_s": 1.5,
        "delete_delay_s": 0, "webhooks": True, "api_fail_rate": 0, "api_fail_status": 500, "pat": ""}
# What keeps GARM from following a level.
FAULTS = {"group": {}, "refused": {"api_fail_rate": 1, "api_fail_status": 403}, "revoked": {"pat": "another"}}
FAST = "    scale_up_threshold: 1\n    scale_up_delay: 10s\n"
SPEC = "    scale_up_threshold: 5\n    scale_up_delay: 30s\n"

# name: what it is, fields of the pool, `max_runners`, idle runners at the start, seconds to look
SITUATIONS = {
    "late": ("6 jobs beside 4 idle runners, handed out after 60 s", SPEC + "    min_idle_runners: 4\n", 20, 4, 240),
    "held": ("8 jobs beside 2 idle runners, held for 90 s", SPEC + "    min_idle_runners: 2\n", 20, 2, 200),
    "lost": ("6 jobs beside 3 runners whose `in_progress` was lost", SPEC + "    min_idle_runners: 3\n", 20, 3, 400),
    "offline": ("30 jobs of 30 s, one each 5 s, beside 4 idle runners that never connect, at most 10",
                FAST + "    min_idle_runners: 4\n", 10, 4, 320),
    "equal": ("3 jobs, two pools with equal labels, the preferred fails every create", FAST, 20, 0, 420),
    "hooks": ("8 jobs of a repository's pool, told of by its organization's hook, too", SPEC, 20, 0, 420),
    "unsteered": ("8 jobs that also fit a pool that is not scaled", SPEC, 20, 0, 420),
    "group": ("3 jobs, the pool's runner group unknown to GitHub for 150 s", FAST + "    runner_group: nope\n", 20, 0, 300),
    "refused": ("3 jobs, GitHub answers GARM 403 for 150 s", FAST, 20, 0, 300),
    "revoked": ("3 jobs, GARM's token revoked for 150 s", FAST, 20, 0, 300),
    "deletions": ("8 jobs beside 10 idle runners in deletion, each for 60 s", SPEC, 20, 0, 300),
}


def call(url, method="GET", body=None, token=None):
    head = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, head, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def until(what, holds, seconds):
    end = time.time() + seconds
    while time.time() < end:
        if holds():
            return True
        time.sleep(0.5)
    print(f"  gave up waiting for {what}", flush=True)
    return False


def without_events(url):
    """A way to GARM on which the event stream is not to be had."""
    class Door(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            status, text = 503, b""
            if "/ws/" not in self.path:
                head = {k: v for k, v in self.headers.items() if k.lower() in ("authorization", "content-type")}
                request = urllib.request.Request(url + self.path, body, head, method=self.command)
                try:
                    with urllib.request.urlopen(request, timeout=30) as answer:
                        status, text = answer.status, answer.read()
                except urllib.error.HTTPError as error:
                    status, text = error.code, error.read()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = do

        def log_message(self, *_):
            pass

    door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=door.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{door.server_port}"


def beyond(log, label, idle, began, ended):
    """Seconds of idle runners beyond the `idle` ones that are to be kept."""
    there, spare, last = set(), 0.0, began
    for entry in sorted(log, key=lambda e: e["t"]):
        runner = str(entry.get("runner", ""))
        if not runner.startswith(label + "-"):
            continue
        if entry["t"] > began:
            spare += max(0, len(there) - idle) * (entry["t"] - last)
            last = entry["t"]
        if entry["ev"] == "runner_online":
            there.add(runner)
        elif entry["ev"] in ("job_started", "runner_removed"):
            there.discard(runner)
    return spare + max(0, len(there) - idle) * (ended - last)


class Site:
    """One GARM with its GitHub."""

    def __init__(self, path, backoff):
        self.it = json.loads(pathlib.Path(path).read_text())
        login = {"username": self.it["admin_user"], "password": self.it["admin_password"]}
        self.token = call(self.it["garm_url"] + "/api/v1/auth/login", "POST", login)["token"]
        self.backoff = backoff
        self.api("PUT", "/controller", {"minimum_job_age_backoff": backoff})

    def api(self, method, path, body=None):
        return call(self.it["garm_url"] + "/api/v1" + path, method, body, self.token)

    def github(self, path, body=None):
        return call(self.it["github_url"] + "/_lab" + path, "POST" if body is not None else "GET", body)

    def make_pool(self, label, labels, idle, most=20, entity=None, **more):
        spec = {"provider_name": self.it["providers"][0], "image": "ubuntu-24.04", "flavor": "m5.large",
                "os_type": "linux", "os_arch": "amd64", "tags": labels, "enabled": True, "max_runners": most,
                "min_idle_runners": idle, "runner_prefix": label, "runner_bootstrap_timeout": 20} | more
        return "pools/" + self.api("POST", f"{entity or '/organizations/' + self.it['org_id']}/pools", spec)["id"]

    def make_scale_set(self, label, labels, idle, most=20):
        spec = {"name": label, "provider_name": self.it["providers"][0], "image": "ubuntu-24.04", "flavor": "m5.large",
                "os_type": "linux", "os_arch": "amd64", "labels": labels, "enabled": True, "max_runners": most,
                "min_idle_runners": idle, "runner_prefix": label, "runner_bootstrap_timeout": 20}
        return f"scalesets/{self.api('POST', f'/organizations/' + self.it['org_id'] + '/scalesets', spec)['id']}"

    def repository_with_hook(self):
        """A repository of the organization in GARM, with a hook of its own beside the organization's."""
        organization = self.api("GET", f"/organizations/{self.it['org_id']}")
        spec = {"owner": self.it["org_name"], "name": "both", "credentials_name": organization["credentials_name"],
                "webhook_secret": "0123456789abcdef0123456789abcdef"}
        known = [r for r in self.api("GET", "/repositories") if r["name"] == "both"]
        if known:
            return f"/repositories/{known[0]['id']}", self.it["org_name"] + "/both"
        path = f"/repositories/{self.api('POST', '/repositories', spec)['id']}"
        self.api("POST", path + "/webhook", {"insecure_ssl": True})
        return path, self.it["org_name"] + "/both"

    def instances(self, pool):
        return self.api("GET", f"/{pool}/instances") or []

    def idle(self, pool):
        return sum(i["runner_status"] == "idle" and i["status"] == "running" for i in self.instances(pool))

    def clear(self, pool):
        is_pool = pool.startswith("pools/")
        self.api("PUT", f"/{pool}", {"min_idle_runners": 0} | ({"enabled": False} if is_pool else {}))
        def gone():
            for i in self.instances(pool):
                try:
                    self.api("DELETE", f"/instances/{i['name']}")
                except urllib.error.HTTPError:
                    pass  # busy, or on its way: asked again
            return not self.instances(pool)
        until("the pool to be empty", gone, 120)
        if not is_pool:
            self.api("PUT", f"/{pool}", {"enabled": False})
            time.sleep(2)  # GARM crashes if the worker still ends its session
        self.api("DELETE", f"/{pool}")

    def load(self, label, pool, batches, idle):
        """Queues the batches, waits for their ends and for rest, and says what it took."""
        until("idle runners", lambda: self.idle(pool) >= idle, 60)
        kept = {i["name"] for i in self.instances(pool)}
        time.sleep(random.uniform(0, 5))  # any point in GARM's interval of 5 s is as likely as any other
        began, ids = time.time(), []
        for second, count, duration in batches:
            time.sleep(max(0, began + second - time.time()))
            made = self.github("/jobs", {"count": count, "labels": [label], "duration_s": duration})
            ids += made["ids"] if isinstance(made, dict) else made
        ids = set(ids)
        def log():
            found = self.github(f"/log?since={began - 120}")
            return found["log"] if isinstance(found, dict) else found
        def done():
            return sum(e["ev"] == "job_completed" and e["job"] in ids for e in log()) == len(ids)
        until("the jobs", done, 600)
        until("rest", lambda: len(self.instances(pool)) <= idle, 240)
        ended = time.time()
        waits = sorted(e["waited"] for e in log() if e["ev"] == "job_started" and e["job"] in ids)
        mine = [e for e in log() if e["t"] > began and str(e.get("name", "")).startswith(label + "-")]
        born = dict.fromkeys(kept, began) | {e["name"]: e["t"] for e in mine if e["ev"] == "vm_created"}
        died = {e["name"]: e["t"] for e in mine if e["ev"] == "vm_deleted"}
        seconds = sum(max(0, died.get(name, ended) - t) for name, t in born.items())
        killed = sum(bool(e.get("killed_job")) for e in mine if e["ev"] == "vm_deleted")
        left = len(self.instances(pool)) - idle
        return {"median": statistics.median_low(waits) if waits else -1, "longest": waits[-1] if waits else -1,
                "seconds": seconds, "held": beyond(log(), label, idle, began, ended),
                "vms": len(born), "killed": killed, "left": left, "unserved": len(ids) - len(waits)}


def without(fields, names):
    """The fields of a pool without these, which have no meaning for a scale set."""
    return "".join(line for line in fields.splitlines(True) if line.split(":")[0].strip() not in names)


class Watch:
    """A `runnerctl watch` for these pools, each with its name and fields as YAML."""

    def __init__(self, site, args, pools, url=None, backoff=None):
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        (folder / "password").touch(mode=0o600)
        (folder / "password").write_text(site.it["admin_password"])
        (folder / "pools").mkdir()
        (folder / "state").mkdir()
        (folder / "pools/pool.yaml").write_text("pools:\n" + "".join(
            f"  - name: {name}\n    max_runners: 20\n    instance_type: m5.large\n    runner_prefix: {label}\n{fields}"
            for name, label, fields in pools))
        (folder / "runnerctl.yaml").write_text(
            f"fleet: bench\ngarm:\n  url: {url or site.it['garm_url']}\n  username: {site.it['admin_user']}\n"
            f"  password: file:password\ncontroller:\n  minimum_job_age_backoff: {backoff or site.backoff}s\n"
            f"defaults:\n  organization: {site.it['org_name']}\n  provider: {site.it['providers'][0]}\n"
            f"  image: ubuntu-24.04\n  default_labels: false\n"
            f"watch:\n  listen: 127.0.0.1:{free_port()}\n  audit: audit.jsonl\n")
        self.log = open(args.log, "ab")
        env = os.environ | {"STATE_DIRECTORY": str(folder / "state")}
        self.process = subprocess.Popen([args.runnerctl, "watch"], cwd=folder, env=env, stdout=self.log, stderr=self.log)

    def __enter__(self):
        return self

    def rescues(self):
        """How often it has rescued a scale set."""
        record = '"decision":"rescue:'
        text = (pathlib.Path(self.folder.name) / "audit.jsonl").read_text()
        return sum(record in line and '"outcome"' in line for line in text.splitlines())

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        if code != 0:
            print(f"  watch ended {code}", flush=True)
        self.log.close()
        self.folder.cleanup()


def ours(site, args, key, kind):
    _, batches, fields, idle = LOADS[key]
    url = without_events(site.it["garm_url"]) if key == "silent" else None
    backoff = 30 if key == "default" else site.backoff
    site.api("PUT", "/controller", {"minimum_job_age_backoff": backoff})
    label = f"{key}-ours"
    mark = f"runnerctl=bench/{key}"
    if kind == "scale_set":
        fields = "    kind: scale_set\n" + f"    scale_set_name: {label}\n" + without(
            fields, ["scale_up_threshold", "scale_up_delay", "scale_up_target", "max_queue_wait"])
        pool = site.make_scale_set(label, [mark], idle)
    else:
        pool = site.make_pool(label, [label, mark], idle)
    with Watch(site, args, [(key, label, f"    labels: [{label}]\n{fields}")], url, backoff):
        found = site.load(label, pool, batches, idle)
    site.clear(pool)
    return found


def alone(site, key, kind):
    _, batches, _, idle = LOADS[key]
    label = f"{key}-alone"
    make = site.make_scale_set if kind == "scale_set" else site.make_pool
    pool = make(label, [] if kind == "scale_set" else [label], idle)
    found = site.load(label, pool, batches, idle)
    site.clear(pool)
    return found


def first_burst(site, who, number):
    """18 jobs for a scale set that is three to eight seconds old: seconds until the first VM, `None` after 60."""
    label = f"burst-{who}-{number}"
    mark = [f"runnerctl=bench/{label}"] if who == "ours" else []
    pool = site.make_scale_set(label, mark, 0)
    time.sleep(random.uniform(3, 8))
    began = time.time()
    made = site.github("/jobs", {"count": 18, "labels": [label], "duration_s": 1})
    jobs = set(made["ids"] if isinstance(made, dict) else made)
    def log():
        found = site.github(f"/log?since={began}")
        return found["log"] if isinstance(found, dict) else found
    def rows():
        return [e for e in log() if e["ev"] == "vm_created" and e["name"].startswith(label + "-")]
    def ended():
        return sum(e["ev"] == "job_completed" and e["job"] in jobs for e in log()) == len(jobs)
    until(f"the first runner of {label}", rows, 60)
    first = min((e["t"] - began for e in rows()), default=None)
    if first is None:
        site.api("PUT", f"/{pool}", {"min_idle_runners": 1})  # what a rescue does
        time.sleep(1)
        site.api("PUT", f"/{pool}", {"min_idle_runners": 0})
    until(f"the jobs of {label}", ended, 120)
    try:
        site.clear(pool)
    except urllib.error.HTTPError:
        print(f"  {label} is left over", flush=True)
    return first


def first_bursts(sites, args):
    """Bursts on fresh scale sets, `--at-once` at a time at each GARM."""
    count = args.first_bursts
    pools = [(f"burst-ours-{n}", f"burst-ours-{n}", "    kind: scale_set\n    scale_down_delay: 1m\n") for n in range(count)]
    with Watch(sites[0], args, pools) as watch, concurrent.futures.ThreadPoolExecutor(args.at_once) as mine, \
            concurrent.futures.ThreadPoolExecutor(args.at_once) as theirs:
        time.sleep(5)
        runs = {who: [some.submit(first_burst, site, who, n) for n in range(count)]
                for who, site, some in zip(("ours", "alone"), sites, (mine, theirs))}
        found = {who: [it.result() for it in all_of] for who, all_of in runs.items()}
        rescues = watch.rescues()
    print("| first bursts | median, longest until the first VM | later than 20 s | none within 60 s | rescues |\n|---|---|---|---|---|")
    for who, firsts in found.items():
        there = [it for it in firsts if it is not None]
        late = sum(it > 20 for it in there) + firsts.count(None)
        print(f"| {who}, {count} | {statistics.median_low(there or [-1]):.1f}, {max(there, default=-1):.1f} s | {late} | {firsts.count(None)} | "
              f"{rescues if who == 'ours' else '–'} |", flush=True)


class Situation:
    """One situation at one GARM: under a `watch`, or left alone."""

    def __init__(self, site, args, key, who, binary):
        self.site, self.args, self.key, self.binary = site, args, key, binary
        self.label, self.pools, self.repository = f"{key}-{who}", [], None
        _, self.fields, self.most, self.idle, self.span = SITUATIONS[key]
        self.files = []

    def pool(self, name, tags=(), **more):
        mark = [f"runnerctl=bench/{name}"] if self.binary else []
        made = self.site.make_pool(self.label, [self.label, *tags, *mark], self.idle, self.most, **more)
        self.pools.append(made)
        if self.binary:
            of = f"    repository: {self.repository}\n" if self.repository else ""
            more = f"    priority: {more['priority']}\n" if "priority" in more else ""
            self.files.append(f"  - name: {name}\n    max_runners: {self.most}\n    instance_type: m5.large\n"
                              f"    labels: [{self.label}]\n{of}{more}{self.fields}")
        return made

    def turn(self, **knobs):
        self.site.github("/config", knobs)

    def queue(self, count, seconds, **more):
        made = self.site.github("/jobs", {"count": count, "labels": [self.label], "duration_s": seconds} | more)
        return made["ids"] if isinstance(made, dict) else made

    def log(self, since):
        found = self.site.github(f"/log?since={since}")
        return found["log"] if isinstance(found, dict) else found

    def make(self):
        if self.key == "equal":
            self.pool("first", priority=1, extra_specs={"lab_create_fail_rate": 1})
            self.pool("second")
        elif self.key == "hooks":
            entity, self.repository = self.site.repository_with_hook()
            self.pool("only", entity=entity)
        else:
            if self.key == "unsteered":
                self.pools.append(self.site.make_pool("by-hand", [self.label], 0, 20, priority=1))
            self.pool("only", **({"github-runner-group": "nope"} if self.key == "group" else {}))

    def play(self):
        """Lets it happen; returns the jobs to be measured."""
        if self.key == "late":
            self.turn(assign_delay_s=60)
            return self.queue(6, 20)
        if self.key == "held":
            jobs = self.queue(8, 20, hold=True)
            time.sleep(90)
            for job in jobs:
                self.site.github(f"/jobs/{job}/release", {})
            return jobs
        if self.key == "lost":
            self.turn(assign_delay_s=3)
            self.queue(3, 600)
            time.sleep(1.5)
            self.turn(webhooks=False)
            time.sleep(6)
            self.turn(webhooks=True, assign_delay_s=1.5)
            time.sleep(20)
            return self.queue(6, 20)
        if self.key == "offline":
            jobs = []
            for _ in range(30):
                jobs += self.queue(1, 30)
                time.sleep(5)
            return jobs
        if self.key == "hooks":
            jobs = self.queue(8, 20, repo=self.repository)
            for job in jobs:
                self.site.github(f"/jobs/{job}/redeliver?action=queued", {})
            return jobs
        if self.key in FAULTS:
            self.turn(**FAULTS[self.key])
            jobs = self.queue(3, 20)
            time.sleep(150)
            self.turn(**CALM)
            if self.key == "group":
                self.site.api("PUT", f"/{self.pools[0]}", {"github-runner-group": "lab-group"})
            return jobs
        return self.queue(3 if self.key == "equal" else 8, 20)

    def before_watch(self):
        if self.key == "offline":
            self.turn(online_delay_s=86400)
        self.make()
        until("idle runners", lambda: self.site.idle(self.pools[-1]) >= self.idle, 60)
        self.turn(online_delay_s=0.1)
        if self.key == "deletions":
            pool = self.pools[-1]
            self.site.api("PUT", f"/{pool}", {"min_idle_runners": 10})
            until("ten idle runners", lambda: self.site.idle(pool) >= 10, 60)
            self.turn(delete_delay_s=60)
            self.site.api("PUT", f"/{pool}", {"min_idle_runners": 0})
            for it in self.site.instances(pool):
                self.site.api("DELETE", f"/instances/{it['name']}")

    def start(self, folder):
        folder = pathlib.Path(folder)
        (folder / "password").touch(mode=0o600)
        (folder / "password").write_text(self.site.it["admin_password"])
        (folder / "pools").mkdir()
        (folder / "state").mkdir()
        (folder / "pools/pool.yaml").write_text("pools:\n" + "".join(self.files))
        (folder / "runnerctl.yaml").write_text(
            f"fleet: bench\ngarm:\n  url: {self.site.it['garm_url']}\n  username: {self.site.it['admin_user']}\n"
            f"  password: file:password\ncontroller:\n  minimum_job_age_backoff: 300s\n"
            f"defaults:\n  organization: {self.site.it['org_name']}\n  provider: {self.site.it['providers'][0]}\n"
            f"  image: ubuntu-24.04\n  default_labels: false\n  runner_prefix: {self.label}\n"
            f"watch:\n  listen: 127.0.0.1:{free_port()}\n  audit: audit.jsonl\n")
        with open(self.args.log, "ab") as log:
            env = os.environ | {"STATE_DIRECTORY": str(folder / "state")}
            return subprocess.Popen([self.binary, "watch"], cwd=folder, env=env, stdout=log, stderr=log)

    def run(self):
        self.site.api("PUT", "/controller", {"minimum_job_age_backoff": 300 if self.binary else 30})
        self.turn(**CALM)
        self.before_watch()
        with tempfile.TemporaryDirectory() as folder:
            watch = self.start(folder) if self.binary else None
            try:
                time.sleep(5 if self.key == "deletions" else 15)
                began = time.time()
                jobs = set(self.play())
                def done():
                    return sum(e["ev"] == "job_started" and e["job"] in jobs for e in self.log(began)) == len(jobs)
                until("all jobs to start", done, began + self.span - time.time())
                time.sleep(2)
                log = self.log(began)
            finally:
                if watch:
                    watch.send_signal(signal.SIGTERM)
                    if watch.wait(30) != 0:
                        print(f"  watch ended {watch.returncode}", flush=True)
        self.clean()
        waits = sorted(e["waited"] for e in log if e["ev"] == "job_started" and e["job"] in jobs)
        made = [e for e in log if e["ev"] == "vm_created" and e["name"].startswith((self.label, "by-hand"))]
        killed = sum(bool(e.get("killed_job")) for e in log if e["ev"] == "vm_deleted")
        return {"waits": waits, "left": len(jobs) - len(waits), "vms": len(made), "killed": killed}

    def clean(self):
        self.turn(**CALM)
        for job in self.site.github("/jobs?status=queued") or []:
            self.site.github(f"/jobs/{job['id']}/cancel", {})
        for job in self.site.github("/jobs?status=in_progress") or []:
            self.site.github(f"/jobs/{job['id']}/complete", {})
        for pool in self.pools:
            self.site.clear(pool)


def situation_cell(it):
    waits = it["waits"]
    text = f"{statistics.median_low(waits):.0f} / {waits[-1]:.0f}" if waits else "–"
    text += f", **{it['left']} of {it['left'] + len(waits)} not started**" if it["left"] else ""
    text += f", {it['vms']} VMs"
    return text + (f", **{it['killed']} killed**" if it["killed"] else "")


def situations(sites, args, keys):
    binaries = {"ours": args.runnerctl, "alone": None, "before": args.before}
    print("| situation | " + " | ".join(sites) + " |\n|---" + "|---" * len(sites) + "|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(3) as all_at_once:
        for key in keys:
            runs = [all_at_once.submit(Situation(site, args, key, who, binaries[who]).run)
                    for who, site in sites.items()]
            print(f"| {SITUATIONS[key][0]} | " + " | ".join(situation_cell(it.result()) for it in runs) + " |", flush=True)


def cell(it):
    text = f"{it['median']:.1f} / {it['longest']:.1f} / {it['seconds']:.0f}, of which {it['held']:.0f}, {it['vms']} VMs"
    bad = {"killed": it["killed"], "left": it["left"], "unserved": it["unserved"]}
    return text + "".join(f", **{count} {what}**" for what, count in bad.items() if count)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--alone", required=True)
    parser.add_argument("--runnerctl", required=True, type=lambda it: str(pathlib.Path(it).resolve()))
    parser.add_argument("--log", default=os.devnull, help="where the words of `watch` go")
    parser.add_argument("--before", help="another runnerctl, for the situations")
    parser.add_argument("--before-garm", help="a third GARM, for that one")
    parser.add_argument("--kind", choices=["pool", "scale_set"], default="pool", help="what serves the loads")
    parser.add_argument("--delete-delay", type=float, default=0, help="seconds that the deletion of a VM takes")
    parser.add_argument("--first-bursts", type=int, help="so many first bursts on fresh scale sets instead of loads")
    parser.add_argument("--at-once", type=int, default=3, help="so many first bursts at a time at each GARM")
    parser.add_argument("--set-ours", help="a GARM whose scale sets `watch` scales, beside the two with pools")
    parser.add_argument("--set-alone", help="a GARM with scale sets, alone")
    parser.add_argument("loads", nargs="*", default=list(LOADS))
    args = parser.parse_args()
    sites = Site(args.ours, 300), Site(args.alone, 30)
    sets = [Site(it, 300) for it in (args.set_ours, args.set_alone) if it]
    for site in [*sites, *sets]:
        site.github("/config", CALM | {"delete_delay_s": args.delete_delay})
    if args.first_bursts:
        first_bursts(sites, args)
        return
    chosen = [it for it in args.loads if it in SITUATIONS]
    if chosen:
        named = {"ours": sites[0], "alone": sites[1]}
        if args.before_garm:
            named = {"before": Site(args.before_garm, 300)} | named
        situations(named, args, chosen)
    args.loads = [it for it in args.loads if it not in SITUATIONS]
    if not args.loads:
        return
    columns = [(args.kind, *sites)]
    if args.set_ours:
        columns.append(("scale_set", *sets))
    heads = [f"{kind.replace('_', ' ')} {how}" for kind, *_ in columns for how in ("under `watch`", "alone")]
    print("| load | " + " | ".join(heads) + " |\n|---" + "|---" * len(heads) + "|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(4) as all_at_once:
        for key in args.loads:
            runs = []
            for kind, mine, theirs in columns:
                runs += [all_at_once.submit(ours, mine, args, key, kind), all_at_once.submit(alone, theirs, key, kind)]
            print(f"| {LOADS[key][0]} | " + " | ".join(cell(it.result()) for it in runs) + " |", flush=True)


if __name__ == "__main__":
    main()
