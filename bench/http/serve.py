#!/usr/bin/env python3
"""`holog serve` beside nginx: the same chunks of a Zarr array, asked for by wrk.

    serve.py HOLOG [--dir DIR] [--sizes 4k,64k,1m,8m] [--connections 1,16,64] [--rounds N] [--seconds S]
            [--store-megabytes N] [--json FILE]

holog serves a store, nginx the directory that `holog export` made of it. Both are asked for random chunks of
one size, connections kept alive, everything in the page cache before the clock starts. The servers take turns
within each round (nginx, /@N/, /live/, ...), each alone on the machine but for wrk; while one is asked the
others idle. Printed are medians over the rounds, the spread (max - min) / median, the processor time that the
server used for an answer, and holog's ratio to nginx, which is the median of the ratios of the rounds.

holog hands out bytes that it has verified, nginx what the file system gives it: nothing evens that out.
wrk has half of the processors' number as threads, and shares the processors with the server, as both do alike.

Needs Debian's wrk and nginx-light. Exit status: 0 measured, whatever it was; 1 something failed.
"""

import argparse
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

TARGETS = {4096: 0.8, 65536: 0.8, 1 << 20: 0.8, 8 << 20: 0.5}  # of nginx's rate

NGINX = """
{user}worker_processes auto;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.err;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 300;
    keepalive_requests 1000000000;
    open_file_cache max=200000 inactive=1h;
    open_file_cache_valid 1h;
    open_file_cache_min_uses 1;
    default_type application/octet-stream;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
    uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
    server {{ listen 127.0.0.1:{port} backlog=511; root {dir}/exported; }}
}}
"""

# Requests are made before the clock starts: wrk only picks one.
LUA = """
local requests, n = {{}}, {count}
local seed = 0
function setup(thread) seed = seed + 1; thread:set("seed", seed) end
function init(args)
   math.randomseed(seed * 7919)
   for i = 1, n do requests[i] = wrk.format("GET", "{prefix}/" .. (i - 1)) end
end
function request() return requests[math.random(n)] end
function done(summary, latency, r)
   local e = summary.errors
   print(string.format('JSON {{"requests": %d, "bytes": %d, "us": %d, "p50": %d, "p99": %d, "errors": %d}}',
         summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
         e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def size_of(text):
    units = {"k": 1 << 10, "m": 1 << 20}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def named(size):
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- what is served ------------------------------------------------------------------------------


def document(size, count):
    return {"zarr_format": 3, "node_type": "array", "shape": [size * count], "data_type": "uint8",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [size]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0, "codecs": [{"name": "bytes"}]}


def make(args):
    """The store, and the directory that nginx gets: an array of raw chunks for each size."""
    made = os.path.join(args.dir, "made")
    counts = {}
    noise = random.Random(1)
    for size in args.sizes:
        counts[size] = max(args.store_megabytes * (1 << 20) // len(args.sizes) // size, 4)
        folder = os.path.join(made, f"a{size}")
        os.makedirs(os.path.join(folder, "c"))
        for i in range(counts[size]):
            with open(os.path.join(folder, "c", str(i)), "wb") as f:
                f.write(noise.randbytes(size))
        with open(os.path.join(folder, "zarr.json"), "w", encoding="ascii") as f:
            json.dump(document(size, counts[size]), f)
    with open(os.path.join(made, "zarr.json"), "w", encoding="ascii") as f:
        json.dump({"zarr_format": 3, "node_type": "group"}, f)
    store = os.path.join(args.dir, "store")
    for verb in (["init", store], ["import", store, "b", made],
                 ["export", store, "b", os.path.join(args.dir, "exported")]):
        subprocess.run([args.holog, *verb], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(made)
    return store, counts


# ---- servers -------------------------------------------------------------------------------------


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


class Server:
    def cpu_seconds(self):
        """That it has used, with its workers."""
        pids = [self.process.pid, *children(self.process.pid)]
        return sum(map(ticks, pids)) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


class Nginx(Server):
    def __init__(self, args):
        self.port = free_port()
        conf = os.path.join(args.dir, "nginx.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(NGINX.format(dir=args.dir, port=self.port,
                                 user="user root;\n" if os.geteuid() == 0 else ""))
        self.process = subprocess.Popen(["nginx", "-c", conf, "-e", os.path.join(args.dir, "nginx.err")])
        deadline = time.monotonic() + 10
        while not children(self.process.pid) and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)  # the workers listen


class Holog(Server):
    def __init__(self, args, store):
        self.process = subprocess.Popen([args.holog, "serve", store, "--path", "b", "--port", "0"],
                                        stdout=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        self.port = int(re.search(r":(\d+)/", line).group(1))


def fetch(port, target):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{target} on port {port}: {answer.status} {body[:200]}")
    return body


def warm_and_compare(servers, size, count):
    """Every chunk once from each; those of all servers are the same."""
    for i in range(count):
        first, *others = (fetch(port, f"{prefix}/a{size}/c/{i}") for _, port, prefix in servers)
        if len(first) != size or any(other != first for other in others):
            raise RuntimeError(f"chunk {i} of {size} bytes is not the same everywhere")


# ---- measuring -----------------------------------------------------------------------------------


def wrk(args, port, prefix, size, count, connections):
    script = os.path.join(args.dir, "wrk.lua")
    with open(script, "w", encoding="ascii") as f:
        f.write(LUA.format(count=count, prefix=f"{prefix}/a{size}/c"))
    threads = min(connections, max(1, (os.cpu_count() or 2) // 2))
    said = subprocess.run(["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{args.seconds}s",
                           "--timeout", "30s", "-s", script, f"http://127.0.0.1:{port}"],
                          check=True, capture_output=True, text=True).stdout
    result = json.loads(re.search(r"JSON (.*)", said).group(1))
    if result["errors"] > 0 or result["requests"] == 0:
        raise RuntimeError(f"wrk on {prefix}, {named(size)}, {connections} connections: {said}")
    return result


def measure(args, nginx, holog, counts, number):
    rows = {}
    servers = [("nginx", nginx, ""), ("holog /@N/", holog, f"/@{number}"), ("holog /live/", holog, "/live")]
    for size, count in counts.items():
        warm_and_compare([(name, server.port, prefix) for name, server, prefix in servers], size, count)
        for round_ in range(args.rounds):
            for connections in args.connections:
                turn = servers if round_ % 2 == 0 else servers[::-1]
                for name, server, prefix in turn:
                    before = server.cpu_seconds()
                    got = wrk(args, server.port, prefix, size, count, connections)
                    got["rate"] = got["requests"] / (got["us"] / 1e6)
                    got["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / got["requests"]
                    rows.setdefault((size, connections), {}).setdefault(name, []).append(got)
                    print(f"  {named(size):>8} x {connections:<3} {name:<13} {got['rate']:10.0f}/s "
                          f"{got['cpu_us']:8.1f} us", flush=True)
    return rows


def median_of(values, what):
    return statistics.median(v[what] for v in values)


def show(rows):
    print(f"\n{'chunk':>8}  conns  {'server':<13} {'GETs/s':>9} {'MB/s':>8} {'spread':>7} {'CPU us':>8} "
          f"{'p50 us':>8} {'p99 us':>8}  of nginx")
    for (size, connections), servers in rows.items():
        for name, values in servers.items():
            rates = [v["rate"] for v in values]
            rate = statistics.median(rates)
            ratios = [a["rate"] / b["rate"] for a, b in zip(values, servers["nginx"])]
            target = TARGETS.get(size)
            note = ""
            if name != "nginx":
                ratio = statistics.median(ratios)
                note = f"{ratio:.2f}x"
                if target is not None:
                    note += f"  target {target:.1f}: {'met' if ratio >= target else 'missed'}"
            print(f"{named(size):>8}  {connections:5}  {name:<13} {rate:9.0f} {rate * size / 1e6:8.0f} "
                  f"{(max(rates) - min(rates)) / rate:7.0%} {median_of(values, 'cpu_us'):8.1f} "
                  f"{median_of(values, 'p50'):8.0f} {median_of(values, 'p99'):8.0f}  {note}")


def run(args):
    store, counts = make(args)
    nginx, holog = None, None
    try:
        nginx, holog = Nginx(args), Holog(args, store)
        number = json.loads(fetch(holog.port, "/?list"))["commit"]
        return measure(args, nginx, holog, counts, number)
    finally:
        for server in (nginx, holog):
            if server is not None:
                server.end()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("holog")
    p.add_argument("--dir", default="bench-scratch")
    p.add_argument("--sizes", default="4k,64k,1m,8m")
    p.add_argument("--connections", default="1,16,64")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=3)
    p.add_argument("--store-megabytes", type=int, default=256)
    p.add_argument("--json")
    args = p.parse_args()
    args.sizes = [size_of(s) for s in args.sizes.split(",")]
    args.connections = [int(c) for c in args.connections.split(",")]
    missing = [tool for tool in ("wrk", "nginx") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"there is no {' and no '.join(missing)}: apt-get install wrk nginx-light")
    args.dir = os.path.join(os.path.abspath(args.dir), f"http-{os.getpid()}")
    os.makedirs(args.dir)
    print(f"{os.uname().nodename}: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    try:
        rows = run(args)
    finally:
        shutil.rmtree(args.dir)
    show(rows)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump([{"bytes": size, "connections": connections, "servers": servers}
                       for (size, connections), servers in rows.items()], f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
