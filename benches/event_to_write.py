#!/usr/bin/env python3
"""From an event of GARM's to the write that follows from it, at 1,000 pools, over loopback.

    cargo build --release && python3 benches/event_to_write.py target/release/runnerctl

A sandbox with 1,000 pools, 10,000 runners and 5,000 queued jobs; `watch` reaches it through a proxy in this program, which
notes when an event leaves for `watch` and when a PUT of that pool arrives. 300 jobs are queued, one at a time, each for another
pool with idle runners: each lowers what is held there, so each leads to a write. Prints median, 99th percentile and longest in
milliseconds; the proxy's own time is in them.
"""
import http.client, json, os, re, socket, subprocess, sys, tempfile, threading, time

JOBS, POOLS = 300, 1000
events, writes, lock = [], {}, threading.Lock()


def pump(source, sink, note):
    try:
        while chunk := source.recv(1 << 16):
            note(chunk)
            sink.sendall(chunk)
    except OSError:
        pass
    for it in (source, sink):
        try:
            it.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, port):
    server = socket.create_connection(("127.0.0.1", port))
    for it in (client, server):
        it.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    is_stream = threading.Event()

    def asked(chunk):
        now = time.perf_counter()
        if chunk.startswith(b"GET /api/v1/ws/events"):
            is_stream.set()
        if found := re.match(rb"PUT /api/v1/pools/([0-9a-f-]+)", chunk):
            with lock:
                writes.setdefault(found[1].decode(), now)

    def answered(chunk):
        if is_stream.is_set():
            with lock:
                events.append(time.perf_counter())

    threading.Thread(target=pump, args=(server, client, answered), daemon=True).start()
    pump(client, server, asked)


def proxy(port):
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, port), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def free():
    with socket.create_server(("127.0.0.1", 0)) as it:
        return it.getsockname()[1]


def until(look, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        if (found := look()) is not None:
            return found
        time.sleep(0.002)
    sys.exit("waited in vain")


def get(port, path):
    try:
        door = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        door.request("GET", path)
        answer = door.getresponse()
        return (answer.status, answer.read().decode())
    except OSError:
        return None


def queue(door, label):
    body = json.dumps({"count": 1, "labels": [label], "hold": True})
    door.request("POST", "/_lab/jobs", body, {"Content-Type": "application/json"})
    assert door.getresponse().read()


def settled():
    """Whether the levels that were found have been lowered to what is held, 16 at a time. The jobs must be measured within the
    half minute after which `watch` tries other runners in every pool, since no job is handed out."""
    with lock:
        before = len(writes)
    time.sleep(1)
    return True if 0 < before == len(writes) else None


def measure(door, names):
    took = []
    for number in range(1, JOBS + 1):
        name = f"by-hand-{number}"
        with lock:
            events.clear()
            writes.clear()
        queue(door, name)

        def written():
            with lock:
                return (events[0], writes[names[name]]) if events and names[name] in writes else None

        told, wrote = until(written)
        took.append(1000 * (wrote - told))
        time.sleep(0.02)
    return sorted(took)


def main():
    runnerctl = os.path.abspath(sys.argv[1])
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.environ["XDG_STATE_HOME"] = folder
    garm, watch = free(), free()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    sizes = ["--pools", str(POOLS), "--runners", str(10 * POOLS), "--jobs", str(5 * POOLS)]
    listen = ["--listen", f"127.0.0.1:{garm}", "--write-config", "rc.yaml"]
    running = [subprocess.Popen([runnerctl, "sandbox", *listen, *sizes], **quiet)]
    try:
        until(lambda: os.path.exists("rc.yaml") or None)
        common = ["--config", "rc.yaml", "-f", "pools"]
        made = subprocess.run([runnerctl, "import", "--config", "rc.yaml"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        text = made.stdout.decode().replace("autoscale: false", "autoscale: true\n    scale_down_delay: 1d")
        text = re.sub(r"\n    min_idle_runners: \d+", "", text)
        names = dict(re.findall(r'name: (\S+)\n    adopt: "?([0-9a-f-]+)', text))
        os.mkdir("pools")
        open("pools/all.yaml", "w").write(text)
        subprocess.run([runnerctl, "apply", *common, "--auto-approve", "--no-audit"], check=True, **quiet)
        config = open("rc.yaml").read()
        open("rc.yaml", "w").write(config.replace(f"127.0.0.1:{garm}", f"127.0.0.1:{proxy(garm)}"))
        log = open("watch.log", "w")
        running.append(subprocess.Popen([runnerctl, "watch", *common, "--listen", f"127.0.0.1:{watch}"], stderr=log))
        until(lambda: True if (get(watch, "/readyz") or (0,))[0] == 200 else None)
        until(settled)
        took = measure(http.client.HTTPConnection("127.0.0.1", garm), names)
        memory = next(it for it in open(f"/proc/{running[1].pid}/status") if it.startswith("VmRSS"))
        print(f"{len(took)} writes: median {took[len(took) // 2]:.1f} ms, p99 {took[len(took) * 99 // 100]:.1f} ms, "
              f"longest {took[-1]:.1f} ms; watch: {memory.split()[1]} kB resident")
    finally:
        for it in reversed(running):
            it.terminate()
            it.wait()


main()
