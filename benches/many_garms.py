#!/usr/bin/env python3
"""Many GARMs in one `watch`: a sandbox for each, with 5 pools and 500 runners.

    many_garms.py RUNNERCTL [--sandbox RUNNERCTL] [--garms N] [--postgresql URL_FILE] [--etcd URL]

Prints the resident memory of `watch`, its share of a core at rest, and the number of audit records that were lost. With a
store, two processes share the GARMs, one is killed with SIGKILL, and the time until all are led again is printed.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

PORT = 21000
RUNNERS = 500
POOLS = 5


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


def until(what, look, patience=300):
    began = time.monotonic()
    while not look():
        if time.monotonic() - began > patience:
            sys.exit(f"waited in vain for {what}")
        time.sleep(0.1)
    return time.monotonic() - began


def process(pid):
    """CPU seconds and resident memory in MB."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    cpu = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rss, peak = (int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024 for key in ("VmRSS", "VmHWM"))
    return cpu, rss, peak


def sandboxes(folder, arguments):
    running = []
    for at in range(arguments.garms):
        line = [arguments.sandbox, "sandbox", "--listen", f"127.0.0.1:{PORT + at}", "--pools", str(POOLS)]
        line += ["--runners", str(RUNNERS), "--write-config", f"g{at}.yaml"]
        running.append(subprocess.Popen(line, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    for at in range(arguments.garms):
        until("a sandbox", lambda: (folder / f"g{at}.yaml").exists())
    return running


def declare(folder, arguments):
    """Imports the pools of every sandbox under names of their own, and adopts them."""
    (folder / "pools").mkdir()
    (folder / "none").mkdir()
    garms = []
    for at in range(arguments.garms):
        name, one = f"g{at}", f"g{at}.yaml"
        garms.append(f"  {name}: {{ url: 'http://127.0.0.1:{PORT + at}', password: 'file:{one}.password' }}")
        empty = ["--config", one, "--pools", "none"]
        text = subprocess.run([arguments.sandbox, *empty, "import"], cwd=folder, capture_output=True, text=True, check=True).stdout
        text = re.sub(r"name: (\S+)", lambda m: f"name: {name}-{m[1]}", text)
        own = folder / f"own-{name}"
        own.mkdir()
        text = text.replace("autoscale: false", "autoscale: true")
        (own / "pools.yaml").write_text(text)
        line = [arguments.sandbox, "--config", one, "--pools", str(own), "apply", "--auto-approve", "--no-audit"]
        subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True)
        target = folder / "pools" / name
        target.mkdir()
        shutil.copy(own / "pools.yaml", target)
    leader = ""
    if arguments.postgresql:
        leader = f"  leader: {{ postgresql: {{ url: 'file:{arguments.postgresql}' }} }}\n"
    if arguments.etcd:
        leader = f"  leader: {{ etcd: {{ endpoints: ['{arguments.etcd}'] }} }}\n"
    (folder / "runnerctl.yaml").write_text(
        "fleet: sandbox\ngarms:\n" + "\n".join(garms)
        + "\ncontroller: { minimum_job_age_backoff: 5m }\n"
        + "defaults: { organization: acme, provider: sim, image: ubuntu-24.04 }\nreceivers: {}\n"
        + f"watch:\n  listen: 127.0.0.1:{PORT - 1}\n  audit: audit.jsonl\n{leader}")


def watch(folder, arguments, port):
    log = open(folder / f"watch-{port}.err", "w")
    line = [arguments.runnerctl, "watch", "--listen", f"127.0.0.1:{port}"]
    return subprocess.Popen(line, cwd=folder, stdout=log, stderr=log)


def ready(port, garms):
    return len(re.findall(r"^runnerctl_ready\{.*\} 1$", get(port, "/metrics"), re.M)) == garms


def led(port):
    return set(re.findall(r'^runnerctl_leader\{garm="(.*)"\} 1$', get(port, "/metrics"), re.M))


def measure(folder, arguments):
    began = time.monotonic()
    one = watch(folder, arguments, PORT - 1)
    until("the first read of every GARM", lambda: ready(PORT - 1, arguments.garms))
    print(f"all {arguments.garms} GARMs read after {time.monotonic() - began:.1f} s")
    time.sleep(40)
    before, at = process(one.pid), time.monotonic()
    time.sleep(60)
    after, took = process(one.pid), time.monotonic() - at
    page = get(PORT - 1, "/metrics")
    sum_of = lambda name: sum(float(v) for v in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", page, re.M))
    print(f"resident {after[1]:.0f} MB, peak {after[2]:.0f} MB; {100 * (after[0] - before[0]) / took:.1f} % of a core at rest")
    print(f"audit records written {sum_of('runnerctl_audit_records_total'):.0f}, "
          f"lost {sum_of('runnerctl_audit_write_errors_total'):.0f}, gaps {sum_of('runnerctl_audit_gaps_total'):.0f}; "
          f"runners listed {sum_of('runnerctl_pool_runners'):.0f}")
    one.send_signal(signal.SIGTERM)
    stopped = time.monotonic()
    one.wait()
    print(f"stopped after {time.monotonic() - stopped:.1f} s, exit code {one.returncode}")


def share(folder, arguments):
    ports = [PORT - 1, PORT - 2]
    both = [watch(folder, arguments, port) for port in ports]
    half = arguments.garms // 2
    is_shared = lambda: all(abs(len(led(port)) - half) <= 1 for port in ports) and len(led(ports[0]) | led(ports[1])) == arguments.garms
    print(f"shared by two processes after {until('the shares', is_shared):.1f} s: {[len(led(port)) for port in ports]}")
    time.sleep(5)
    both[0].kill()
    killed = time.monotonic()
    both[0].wait()
    until("the takeover", lambda: len(led(ports[1])) == arguments.garms)
    print(f"all {arguments.garms} led again {time.monotonic() - killed:.1f} s after kill -9")
    both[1].send_signal(signal.SIGTERM)
    both[1].wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runnerctl", type=os.path.abspath)
    parser.add_argument("--sandbox", type=os.path.abspath, help="the program for the sandboxes, if it is another one")
    parser.add_argument("--garms", type=int, default=100)
    parser.add_argument("--postgresql", type=os.path.abspath, help="a file with the URL")
    parser.add_argument("--etcd")
    arguments = parser.parse_args()
    arguments.sandbox = arguments.sandbox or arguments.runnerctl
    folder = pathlib.Path(tempfile.mkdtemp())
    os.environ.update(HOME=str(folder), XDG_STATE_HOME=str(folder))
    running = sandboxes(folder, arguments)
    try:
        declare(folder, arguments)
        if arguments.postgresql or arguments.etcd:
            share(folder, arguments)
        else:
            measure(folder, arguments)
    finally:
        for sandbox in running:
            sandbox.kill()
        if os.environ.get("KEEP"):
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)


main()
