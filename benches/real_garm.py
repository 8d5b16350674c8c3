#!/usr/bin/env python3
"""How long jobs wait under `runnerctl watch`, beside GARM alone, on two real GARMs at the same time.

    python3 benches/real_garm.py --ours A.json --alone B.json --runnerctl target/release/runnerctl [LOAD…]

Each JSON file describes a GARM that is there for this alone, with a GitHub whose jobs can be
scripted (tests/README.md, "With a real GARM"; also `org_id` and `org_name`). Ours gets a backoff of
300 s and the pool's own policy, the other one GARM's default of 30 s and as many idle runners.
Prints one line of a table for each load: median wait / longest wait / VM-seconds, how many of these
were idle beyond the runners to be kept (R2's hold, or a surplus), jobs that were killed, and what was
left over. A load may be named several times. Python 3.11, nothing else.
"""
import argparse, concurrent.futures, http.server, json, os, pathlib, signal, socket, statistics, subprocess
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

    def make_pool(self, label, labels, idle):
        spec = {"provider_name": self.it["providers"][0], "image": "ubuntu-24.04", "flavor": "m5.large",
                "os_type": "linux", "os_arch": "amd64", "tags": labels, "enabled": True, "max_runners": 20,
                "min_idle_runners": idle, "runner_prefix": label, "runner_bootstrap_timeout": 20}
        return self.api("POST", f"/organizations/{self.it['org_id']}/pools", spec)["id"]

    def instances(self, pool):
        return self.api("GET", f"/pools/{pool}/instances") or []

    def idle(self, pool):
        return sum(i["runner_status"] == "idle" and i["status"] == "running" for i in self.instances(pool))

    def clear(self, pool):
        self.api("PUT", f"/pools/{pool}", {"enabled": False, "min_idle_runners": 0})
        def gone():
            for i in self.instances(pool):
                try:
                    self.api("DELETE", f"/instances/{i['name']}")
                except urllib.error.HTTPError:
                    pass  # busy, or on its way: asked again
            return not self.instances(pool)
        until("the pool to be empty", gone, 120)
        self.api("DELETE", f"/pools/{pool}")

    def load(self, label, pool, batches, idle):
        """Queues the batches, waits for their ends and for rest, and says what it took."""
        until("idle runners", lambda: self.idle(pool) >= idle, 60)
        kept = {i["name"] for i in self.instances(pool)}
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


def ours(site, args, key):
    _, batches, fields, idle = LOADS[key]
    url = without_events(site.it["garm_url"]) if key == "silent" else site.it["garm_url"]
    backoff = 30 if key == "default" else site.backoff
    site.api("PUT", "/controller", {"minimum_job_age_backoff": backoff})
    label = f"{key}-ours"
    pool = site.make_pool(label, [label, f"runnerctl=bench/{key}"], idle)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "password").touch(mode=0o600)
        (folder / "password").write_text(site.it["admin_password"])
        (folder / "pools").mkdir()
        (folder / "pools/pool.yaml").write_text(
            f"pools:\n  - name: {key}\n    max_runners: 20\n    instance_type: m5.large\n    labels: [{label}]\n{fields}")
        (folder / "runnerctl.yaml").write_text(
            f"fleet: bench\ngarm:\n  url: {url}\n  username: {site.it['admin_user']}\n  password: file:password\n"
            f"controller:\n  minimum_job_age_backoff: {backoff}s\n"
            f"defaults:\n  organization: {site.it['org_name']}\n  provider: {site.it['providers'][0]}\n  image: ubuntu-24.04\n"
            f"  default_labels: false\n  runner_prefix: {label}\n"
            f"watch:\n  listen: 127.0.0.1:{free_port()}\n  audit: audit.jsonl\n")
        with open(args.log, "ab") as log:
            env = os.environ | {"STATE_DIRECTORY": str(folder / "state")}
            (folder / "state").mkdir()
            watch = subprocess.Popen([args.runnerctl, "watch"], cwd=folder, env=env, stdout=log, stderr=log)
            try:
                found = site.load(label, pool, batches, idle)
            finally:
                watch.send_signal(signal.SIGTERM)
                code = watch.wait(30)
        if code != 0:
            print(f"  watch ended {code}", flush=True)
    site.clear(pool)
    return found


def alone(site, key):
    _, batches, _, idle = LOADS[key]
    label = f"{key}-alone"
    pool = site.make_pool(label, [label], idle)
    found = site.load(label, pool, batches, idle)
    site.clear(pool)
    return found


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
    parser.add_argument("loads", nargs="*", default=list(LOADS))
    args = parser.parse_args()
    sites = Site(args.ours, 300), Site(args.alone, 30)
    print("| load | ours | GARM alone |\n|---|---|---|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(2) as both:
        for key in args.loads:
            mine, theirs = both.submit(ours, sites[0], args, key), both.submit(alone, sites[1], key)
            print(f"| {LOADS[key][0]} | {cell(mine.result())} | {cell(theirs.result())} |", flush=True)


if __name__ == "__main__":
    main()
