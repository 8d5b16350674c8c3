#!/usr/bin/env python3
"""Takeover of a lease: two `watch` beside a sandbox, of which the leader is killed, or stopped.

    takeover.py RUNNERCTL --etcd URL | --postgresql URL_FILE | --kubernetes [--pairs N] [--times N] [--stop]

Each pair kills its leader `--times` times with SIGKILL (SIGTERM with `--stop`) at a random moment, and measures until the
other process says that it leads. Prints the least, the median and the longest time. `--kubernetes` serves a stand-in for the
Leases of Kubernetes, which compares and swaps.
"""
import argparse
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PORT = 23000
POOLS = "pools:\n  - { name: default, min_runners: 2, max_runners: 20, instance_type: m5.large }\n"


class Leases(http.server.BaseHTTPRequestHandler):
    """The Leases of one namespace, with optimistic locking."""

    protocol_version = "HTTP/1.1"
    lock, version, leases = threading.Lock(), 0, {}

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with self.lock:
            lease = self.leases.get(self.path.rsplit("/", 1)[1])
        self.answer(200 if lease else 404, lease or {})

    def store(self, is_current):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = sent["metadata"]["name"]
        with self.lock:
            if not is_current(sent["metadata"], self.leases.get(name, {}).get("metadata")):
                return self.answer(409, {})
            Leases.version += 1
            sent["metadata"]["resourceVersion"] = str(self.version)
            self.leases[name] = sent
        self.answer(200, sent)

    def do_POST(self):
        self.store(lambda _, stored: stored is None)

    def do_PUT(self):
        self.store(lambda sent, stored: stored is not None and sent["resourceVersion"] == stored["resourceVersion"])

    def log_message(self, *_):
        pass


def leads(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            return re.search(r"^runnerctl_leader 1$", page.read().decode(), re.M) is not None
    except OSError:
        return False


def until(what, look, patience=60):
    began = time.monotonic()
    while not look():
        if time.monotonic() - began > patience:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.02)
    return time.monotonic() - began


class Pair:
    def __init__(self, folder, arguments, at):
        self.folder, self.arguments = folder / f"pair-{at}", arguments
        self.folder.mkdir()
        self.ports = [PORT + 10 * at + 1, PORT + 10 * at + 2]
        garm = f"127.0.0.1:{PORT + 10 * at}"
        line = [arguments.runnerctl, "sandbox", "--listen", garm, "--write-config", "runnerctl.yaml"]
        self.sandbox = self.start(line, "sandbox")
        until("the sandbox", (self.folder / "runnerctl.yaml").exists)
        text = (self.folder / "runnerctl.yaml").read_text()
        name = f"pair-{at}-{os.getpid()}"
        leader = f"etcd: {{ name: {name}, endpoints: ['{arguments.etcd}'] }}"
        if arguments.postgresql:
            leader = f"postgresql: {{ name: {name}, url: 'file:{arguments.postgresql}' }}"
        if arguments.kubernetes:
            (self.folder / "token").write_text("token")
            (self.folder / "token").chmod(0o600)
            leader = f"kubernetes: {{ name: {name}, namespace: ci, server: 'http://127.0.0.1:{PORT - 1}', token: 'file:token' }}"
        for which in (0, 1):
            own = re.sub(r"(?m)^watch:\n", f"watch:\n  audit: audit-{which}.jsonl\n  leader: {{ {leader} }}\n", text) + "receivers: {}\n"
            (self.folder / f"{which}.yaml").write_text(own)
        (self.folder / "pools").mkdir(exist_ok=True)
        (self.folder / "pools" / "default.yaml").write_text(POOLS)
        apply = [arguments.runnerctl, "apply", "--auto-approve", "--no-audit"]
        subprocess.run(apply, cwd=self.folder, capture_output=True, check=True)
        self.times = []

    def start(self, line, name):
        log = open(self.folder / f"{name}.log", "a")
        return subprocess.Popen(line, cwd=self.folder, stdout=log, stderr=log)

    def watch(self, which):
        listen = f"127.0.0.1:{self.ports[which]}"
        line = [self.arguments.runnerctl, "watch", "--config", f"{which}.yaml", "--listen", listen]
        return self.start(line, f"watch-{which}")

    def measure(self):
        both = [self.watch(which) for which in (0, 1)]
        leader = 0
        until("a leader", lambda: any(map(leads, self.ports)))
        for _ in range(self.arguments.times):
            leader = 0 if leads(self.ports[0]) else 1
            time.sleep(4 + 2 * random.random())
            both[leader].send_signal(signal.SIGTERM if self.arguments.stop else signal.SIGKILL)
            self.times.append(until("the takeover", lambda: leads(self.ports[1 - leader])))
            both[leader].wait()
            both[leader] = self.watch(leader)
            time.sleep(2)
        for process in [*both, self.sandbox]:
            process.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runnerctl", type=os.path.abspath)
    store = parser.add_mutually_exclusive_group(required=True)
    store.add_argument("--etcd")
    store.add_argument("--postgresql", type=os.path.abspath, help="a file with the URL")
    store.add_argument("--kubernetes", action="store_true")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--stop", action="store_true")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp())
    os.environ.update(HOME=str(folder), XDG_STATE_HOME=str(folder))
    if arguments.kubernetes:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT - 1), Leases)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    pairs = [Pair(folder, arguments, at) for at in range(arguments.pairs)]
    threads = [threading.Thread(target=pair.measure) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [took for pair in pairs for took in pair.times]
    if len(times) < arguments.pairs * arguments.times:
        sys.exit(f"incomplete: see {folder}")
    how = "SIGTERM" if arguments.stop else "SIGKILL"
    print(f"{len(times)} takeovers after {how}: "
          f"{min(times):.2f} / {statistics.median(times):.2f} / {max(times):.2f} s (least / median / longest)")
    shutil.rmtree(folder, ignore_errors=True)


main()
