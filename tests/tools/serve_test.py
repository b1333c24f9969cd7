"""serve: a store over HTTP, asked by http.client and, where that is too polite, by raw sockets.

Everything is on the loopback; each server is one process of its own, ended by its number.
"""

import http.client
import importlib.util
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest
import urllib.parse

from clitest import BIN, FAILED, SOURCE, USAGE, Case, main

WAIT_S = 30
FOREVER = "public, max-age=31536000, immutable"
TOKEN = "0123456789abcdef-token"


ARRAY = {"zarr_format": 3, "node_type": "array", "shape": [6], "data_type": "uint8",
         "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
         "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
         "fill_value": 0, "codecs": [{"name": "bytes"}]}


SHARDED = {**ARRAY, "shape": [16], "chunk_grid": {
    "name": "regular", "configuration": {"chunk_shape": [16]}}, "codecs": [{
        "name": "sharding_indexed", "configuration": {
            "chunk_shape": [4], "codecs": [{"name": "bytes"}],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}},
                             {"name": "crc32c"}], "index_location": "end"}}]}


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __getitem__(self, name):
        return self.headers.get(name)

    def json(self):
        return json.loads(self.body)


class Serve(Case):
    def setUp(self):
        super().setUp()
        self.init()
        self.process = None

    def serve(self, *options, memory_max=None):
        """Start a server; it is ended with the test, and must have ended well."""
        def bound():
            if memory_max is not None:
                resource.setrlimit(resource.RLIMIT_AS, (memory_max, memory_max))

        log = open(self.path("serve.log"), "wb")
        self.addCleanup(log.close)
        self.process = subprocess.Popen([BIN, "serve", self.store, "--port", "0", *options],
                                        cwd=self.dir, stdout=subprocess.PIPE, stderr=log,
                                        preexec_fn=bound)
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.end)
        line = self.process.stdout.readline().decode()
        match = re.fullmatch(r"serving (.+) at http://(\S+):(\d+)/ \((read-only|writable)\)\n",
                             line)
        self.assertIsNotNone(match, (line, self.log()))
        self.assertEqual(match.group(1), self.store)
        self.host, self.port = match.group(2).strip("[]"), int(match.group(3))
        return match.group(4)

    def log(self):
        with open(self.path("serve.log"), encoding="utf-8") as f:
            return f.read()

    def end(self, number=signal.SIGTERM):
        process, self.process = self.process, None
        if process is None:
            return
        try:
            process.send_signal(number)
            self.assertEqual(process.wait(WAIT_S), 0, self.log())
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def connect(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=WAIT_S)
        self.addCleanup(connection.close)
        return connection

    def ask(self, method, target, headers=None, body=None, on=None):
        connection = on or self.connect()
        connection.request(method, target, body=body, headers=headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def get(self, target, **headers):
        return self.ask("GET", target, {k.replace("_", "-"): v for k, v in headers.items()})

    def plug(self):
        plug = socket.create_connection((self.host, self.port), timeout=WAIT_S)
        self.addCleanup(plug.close)
        return plug

    def raw(self, request):
        """What comes back until the other end closes."""
        plug = self.plug()
        plug.sendall(request)
        plug.shutdown(socket.SHUT_WR)
        seen = b""
        while piece := plug.recv(65536):
            seen += piece
        return seen

    def raw_status(self, target, method=b"GET"):
        seen = self.raw(method + b" " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertTrue(seen.startswith(b"HTTP/1.1 "), (target, seen))
        return int(seen[9:12])


class Keys(Serve):
    def setUp(self):
        super().setUp()
        self.value = bytes(range(256)) * 40
        self.large = os.urandom(5 << 20)
        self.save("a/v", self.value, "-p")
        self.save("a/large", self.large)
        self.save("a/empty", b"")
        self.assertEqual(self.serve(), "read-only")

    def test_a_value(self):
        answer = self.get("/live/a/v")
        self.assertEqual((answer.status, answer.body), (200, self.value))
        self.assertEqual(answer["Content-Length"], str(len(self.value)))
        self.assertEqual(answer["Content-Type"], "application/octet-stream")
        self.assertEqual(answer["Accept-Ranges"], "bytes")
        self.assertEqual(answer["Cache-Control"], "no-cache")
        self.assertEqual(answer["X-Content-Type-Options"], "nosniff")
        self.assertEqual(answer["Holog-Number"], "3")
        self.assertRegex(answer["ETag"], r'^"[0-9a-f]{32}"$')
        for key, value in (("a/large", self.large), ("a/empty", b"")):
            answer = self.get("/live/" + key)
            self.assertEqual((answer.status, answer.body), (200, value))
            self.assertEqual(answer["Content-Length"], str(len(value)))

    def test_documents_are_json(self):
        answer = self.get("/live/a/zarr.json")
        self.assertEqual((answer.status, answer["Content-Type"]), (200, "application/json"))
        self.assertEqual(answer.json()["node_type"], "group")
        self.assertEqual(self.get("/live/a/.zgroup").status, 404)

    def test_what_is_missing(self):
        for target in ("/live/nothing", "/live/a/v/below", "/live/a/v/", "/@3/b/zarr.json", "/x",
                       "/@2/a/empty", "/live/" + "n" * 300, "/live/" + "n/" * 70 + "n",
                       "/favicon.ico", "/@no-tag/x", "/@017/x", "/@4/x", "/@HEAD~99/x",
                       "/@18446744073709551615/x", "/@1x/x", "/live/a%0d%0aX-Bad: 1"):
            answer = self.get(urllib.parse.quote(target, safe="/%@~"))
            self.assertEqual(answer.status, 404, target)
            self.assertIsNone(answer["ETag"])
            self.assertIsNone(answer["X-Bad"])
            self.assertEqual(answer["Access-Control-Allow-Origin"], "*")

    def test_head_has_the_headers_of_get_and_no_body(self):
        for target in ("/live/a/v", "/live/a/large", "/live/a/empty", "/@2/a/v", "/live/a/", "/",
                       "/live/nothing", "/live/a", "/@HEAD/a", "/healthz", "/live/a/zarr.json",
                       "/live/..", "/live/?list", "/@99/x"):
            get, head = self.ask("GET", target), self.ask("HEAD", target)
            self.assertEqual((head.status, head.body), (get.status, b""))
            for answer in (get, head):
                del answer.headers["Date"]
            self.assertEqual(sorted(head.headers.items()), sorted(get.headers.items()), target)
        ranged = self.ask("HEAD", "/live/a/v", {"Range": "bytes=0-9"})
        self.assertEqual((ranged.status, ranged["Content-Length"]), (200, str(len(self.value))))

    def test_ranges(self):
        for key, value in (("a/v", self.value), ("a/large", self.large)):
            size = len(value)
            for text, first, last in (
                    ("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=10-", 10, size - 1),
                    ("bytes=-7", size - 7, size - 1), (f"bytes=-{size + 9}", 0, size - 1),
                    (f"bytes={size - 1}-", size - 1, size - 1), ("bytes=0-", 0, size - 1),
                    (f"bytes=5-{size * 9}", 5, size - 1), (f"bytes=0-{size - 1}", 0, size - 1),
                    (f"bytes={size // 2}-{size // 2 + 70000}", size // 2,
                     min(size // 2 + 70000, size - 1))):
                answer = self.get("/live/" + key, Range=text)
                self.assertEqual((answer.status, answer.body), (206, value[first:last + 1]), text)
                self.assertEqual(answer["Content-Range"], f"bytes {first}-{last}/{size}")
                self.assertEqual(answer["Content-Length"], str(last + 1 - first))
                self.assertIsNotNone(answer["ETag"])
            for text in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=-0", "bytes=5-4"):
                answer = self.get("/live/" + key, Range=text)
                self.assertEqual((answer.status, answer["Content-Range"]),
                                 (416, f"bytes */{size}"), text)
            for text in ("bytes=0-1,5-6", "bytes=a-b", "bytes=", "items=0-1", "bytes=1"):
                answer = self.get("/live/" + key, Range=text)
                self.assertEqual((answer.status, answer.body), (200, value), text)
                self.assertIsNone(answer["Content-Range"])
        self.assertEqual(self.get("/live/a/empty", Range="bytes=0-").status, 416)
        self.assertEqual(self.get("/live/a/empty", Range="bytes=-5").status, 200)

    def test_conditions(self):
        tag = self.get("/live/a/v")["ETag"]
        for headers, status in (
                ({"If_None_Match": tag}, 304), ({"If_None_Match": "W/" + tag}, 304),
                ({"If_None_Match": f'"x", {tag}'}, 304), ({"If_None_Match": "*"}, 304),
                ({"If_None_Match": '"x"'}, 200), ({"If_Match": tag}, 200),
                ({"If_Match": '"x"'}, 412), ({"If_Match": "W/" + tag}, 412),
                ({"If_Match": "*"}, 200), ({"If_Match": tag, "If_None_Match": tag}, 304),
                ({"If_Match": tag, "Range": "bytes=0-4"}, 206),
                ({"If_Range": tag, "Range": "bytes=0-4"}, 206),
                ({"If_Range": '"x"', "Range": "bytes=0-4"}, 200),
                ({"If_Range": "Sun, 06 Nov 1994 08:49:37 GMT", "Range": "bytes=0-4"}, 200),
                ({"If_None_Match": tag, "Range": "bytes=99999999-"}, 304),
                ({"If_Match": '"' + "x" * 5000 + '"'}, 431)):
            answer = self.get("/live/a/v", **headers)
            self.assertEqual(answer.status, status, headers)
            if status == 304:
                self.assertEqual((answer.body, answer["ETag"]), (b"", tag))
        self.assertEqual(self.get("/live/none", If_Match="*").status, 404)
        connection = self.connect()
        connection.putrequest("GET", "/live/a/v")
        connection.putheader("If-None-Match", '"x"')
        connection.putheader("If-None-Match", tag)
        connection.endheaders()
        self.assertEqual(connection.getresponse().status, 304, "of several lines each counts")

    def test_tags_follow_the_bytes(self):
        first = self.get("/live/a/v")["ETag"]
        self.assertEqual(self.get("/@1/a/v")["ETag"], first)
        self.save("a/v", b"other", "--replace")
        time.sleep(0.05)
        self.assertNotEqual(self.get("/live/a/v")["ETag"], first)
        self.assertEqual(self.get("/@3/a/v")["ETag"], first)

    def test_browsers_may_ask(self):
        answer = self.ask("OPTIONS", "/live/a/v", {
            "Origin": "https://viewer.example", "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range"})
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assertEqual(answer["Access-Control-Allow-Origin"], "*")
        self.assertIn("Range", answer["Access-Control-Allow-Headers"])
        self.assertIn("If-Match", answer["Access-Control-Allow-Headers"])
        self.assertEqual(answer["Access-Control-Allow-Methods"], "GET, HEAD, OPTIONS")
        for target in ("/live/a/v", "/live/none", "/live/..", "/", "/metrics"):
            answer = self.get(target, Origin="https://viewer.example")
            self.assertEqual(answer["Access-Control-Allow-Origin"], "*", target)
            for name in ("Content-Range", "Content-Length", "ETag"):
                self.assertIn(name, answer["Access-Control-Expose-Headers"])

    def test_methods(self):
        for method in ("PUT", "DELETE", "POST", "PATCH", "TRACE", "PROPFIND"):
            for target in ("/live/a/v", "/@1/a/v", "/", "/metrics"):
                answer = self.ask(method, target)
                self.assertEqual((answer.status, answer["Allow"]), (405, "GET, HEAD, OPTIONS"))
        self.assertEqual(self.ask("GET", "/live/a/v", body=b"x").status, 400)
        self.assertEqual(self.load("a/v"), self.value)

    def test_one_connection_serves_many(self):
        connection = self.connect()
        connection.connect()
        plug = connection.sock
        for i in range(50):
            for target, status in (("/live/a/v", 200), ("/live/none", 404), ("/live/a", 307)):
                self.assertEqual(self.ask("GET", target, on=connection).status, status)
            self.assertEqual(self.ask("HEAD", "/live/a/large", on=connection).status, 200)
            answer = self.ask("GET", "/live/a/v", {"Range": f"bytes={i}-"}, on=connection)
            self.assertEqual(answer.body, self.value[i:])
            self.assertIs(connection.sock, plug, "the connection was closed")

    def test_two_requests_sent_at_once(self):
        seen = self.raw(b"GET /live/a/v HTTP/1.1\r\nHost: x\r\n\r\n"
                        b"GET /live/a/empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertEqual(seen.count(b"HTTP/1.1 200 OK\r\n"), 2)
        seen = self.raw(b"GET /live/a/v HTTP/1.0\r\n\r\n")
        self.assertTrue(seen.endswith(self.value))

    def test_nothing_leads_out(self):
        for target in (b"/../etc/passwd", b"/live/../x", b"/live/%2e%2e/x", b"/live/%2E%2E%2Fx",
                       b"/live/.%2e", b"/live/a/./v", b"/live//a/v", b"//live/a/v", b"/live/a//v",
                       b"/live/%00", b"/live/a/v%00", b"/live/%", b"/live/%zz", b"/live/%ff",
                       b"/live/\xff", b"/live/%c0%ae%c0%ae/x", b"/@1/..%2f..", b"*", b"live/a/v",
                       b"http://x/../etc/passwd", b"http://x", b"file:///etc/passwd",
                       b"/live/%2fetc/passwd", b"/@../x", b"/@%2e%2e/x"):
            self.assertIn(self.raw_status(target), (400, 404), target)
        self.assertEqual(self.raw_status(b"/live/" + b"n" * 17000), 414)
        self.assertEqual(self.raw_status(b"http://whatever:80/live/a/v"), 200)
        self.assertEqual(self.raw_status(b"/live/%61%2Fv"), 200)
        self.assertEqual(self.get("/live/a/v").status, 200)

    def test_a_target_is_not_cut_at_a_nul(self):
        for target in (b"/live/a/v\0", b"/live/a/v\0.bak", b"/live/a/v\0?list", b"/live/?list\0", b"/\0",
                       b"\0/live/a/v", b"http://x/live/a/v\0"):
            self.assertEqual(self.raw_status(target), 400, target)
            self.assertEqual(self.raw_status(target, b"PUT"), 400, target)
        for target in (b"/", b"/live/?list", b"/live/a/v?x=%41&y", b"http://x/live/a/v"):
            self.assertEqual(self.raw_status(target), 200, target)

    def test_what_is_no_http_harms_nobody(self):
        for request in (b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 99,
                        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"x" * 200000,
                        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n"):
            plug = self.plug()
            plug.settimeout(1)  # half a request may wait for the rest
            try:
                plug.sendall(request)
                plug.shutdown(socket.SHUT_WR)
                while plug.recv(65536):
                    pass
            except OSError:
                pass  # closed on us, or waiting: both are fair
        self.assertEqual(self.get("/live/a/v").body, self.value)


class Listings(Serve):
    def links(self, target):
        answer = self.get(target)
        self.assertEqual((answer.status, answer["Content-Type"]), (200, "text/html; charset=utf-8"))
        return re.findall(r'<a href="([^"]+)">', answer.body.decode())

    def test_directories_are_pages_of_links_that_work(self):
        odd = 'a b"<&\'%41?#é:\n'
        self.save("d/v", b"1", "-p")
        self.save("d/e/w", b"2", "-p")
        self.save("d/" + odd, b"3")
        self.serve()
        links = self.links("/live/d/")
        self.assertEqual(len(links), 4)
        self.assertTrue({"v", "e/", "zarr.json"} <= set(links))
        for base in ("/live/d/", "/@3/d/"):
            for link in self.links(base):
                answer = self.get(urllib.parse.urljoin(base, link.replace("&amp;", "&")))
                self.assertEqual(answer.status, 200, link)
                if link not in ("v", "e/", "zarr.json"):
                    self.assertEqual(answer.body, b"3")
        self.assertIn("<title>Index of /live/d/</title>", self.get("/live/d/").body.decode())
        doc = self.get("/live/d/?list").json()
        self.assertEqual((doc["store"], doc["commit"], doc["prefix"]), (self.store, 3, "d/"))
        found = {e["name"]: (e["key"], e["prefix"], e.get("bytes")) for e in doc["entries"]}
        self.assertEqual(found["v"], (True, False, 1))
        self.assertEqual(found["e"], (False, True, None))
        self.assertEqual(found[odd], (True, False, 1))

    def test_a_directory_without_its_slash_leads_there(self):
        self.save("d/e/w", b"2", "-p")
        self.serve()
        for target, to in (("/live", "/live/"), ("/live/d", "/live/d/"), ("/@1", "/@1/"),
                           ("/@1/d/e?list", "/@1/d/e/?list"), ("/@1/v2", "/@1/v2/"),
                           ("/live/v3", "/live/v3/"), ("/@HEAD/d", "/@1/d")):
            answer = self.get(target)
            self.assertEqual((answer.status, answer["Location"]), (307, to))

    def test_the_root_says_what_is_here(self):
        self.save("v", b"1")
        self.holog("tag", self.store, "first")
        self.serve()
        self.assertEqual(self.links("/"), ["live/", "@1/", "@first/", "healthz", "metrics"])
        doc = self.get("/?list").json()
        self.assertEqual((doc["store"], doc["path"], doc["commit"], doc["writable"]),
                         (self.store, "/", 1, False))
        self.assertEqual([e["name"] for e in doc["entries"]], ["live", "@1", "@first"])

    def test_an_empty_store(self):
        self.serve()
        self.assertEqual(self.get("/live/").status, 200)
        self.assertEqual(self.get("/@0/").status, 200)
        self.assertEqual(self.get("/live/x").status, 404)

    def test_only_a_part_of_the_store(self):
        self.save("d/e/w", b"2", "-p")
        self.save("other", b"3")
        self.serve("--path", "d")
        self.assertEqual(self.get("/live/e/w").body, b"2")
        self.assertEqual(self.get("/@1/e/w").body, b"2")
        for target in ("/live/other", "/live/d/e/w", "/@0/e/w"):
            self.assertEqual(self.get(target).status, 404)
        self.assertEqual(self.get("/?list").json()["path"], "d")


class States(Serve):
    def test_numbers_stay_and_live_moves(self):
        self.save("v", b"one")
        self.serve()
        self.assertEqual(self.get("/live/v").body, b"one")
        for i in range(2, 6):
            self.save("v", b"%d" % i, "--replace")
            time.sleep(0.02)
            answer = self.get("/live/v")
            self.assertEqual((answer.body, answer["Holog-Number"]), (b"%d" % i, str(i)))
        for i, value in enumerate((b"one", b"2", b"3", b"4", b"5"), 1):
            answer = self.get(f"/@{i}/v")
            self.assertEqual((answer.body, answer["Cache-Control"]), (value, FOREVER))
            self.assertEqual(answer["Holog-Number"], str(i))
        answer = self.get("/@3/none")
        self.assertEqual((answer.status, answer["Cache-Control"]), (404, FOREVER))
        answer = self.get("/@6/v")
        self.assertEqual((answer.status, answer["Cache-Control"]), (404, "no-store"))
        self.save("v", b"6", "--replace")
        self.assertEqual(self.get("/@6/v").body, b"6", "a number is looked for at once")

    def test_names_lead_to_numbers(self):
        self.save("v", b"1")
        self.holog("tag", self.store, "first")
        time.sleep(0.01)
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f"{time.time() % 1:.6f}Z"[1:]
        time.sleep(0.01)
        self.save("v", b"2", "--replace")
        self.save("d/w", b"3", "-p")
        self.serve()
        for ref, number in (("first", 1), ("HEAD", 3), ("HEAD~1", 2), (when, 1),
                            ("2099-01-01T00:00:00%2B02:00", 3)):
            answer = self.get(f"/@{ref}/v")
            self.assertEqual((answer.status, answer["Location"]), (307, f"/@{number}/v"), ref)
            self.assertNotIn("immutable", answer["Cache-Control"])
        self.assertEqual(self.get("/@HEAD/v2/d/?list")["Location"], "/@3/v2/d/?list")
        self.assertEqual(self.get("/@HEAD/a%20b%0d%0aX:y")["Location"], "/@3/a%20b%0D%0AX%3Ay")

    def test_what_is_not_kept_is_gone(self):
        for i in range(1, 20):
            self.save("v", b"%d" % i, "--replace")
        self.serve()
        self.assertEqual(self.get("/@19/v").body, b"19")
        self.holog("gc", self.store, "--keep", "2")
        self.save("v", b"20", "--replace")
        time.sleep(0.05)
        self.assertEqual(self.get("/live/v").body, b"20")
        answer = self.get("/@3/v")
        self.assertEqual(answer.status, 410)
        self.assertEqual(answer["Cache-Control"], "no-store")
        self.assertEqual(self.get("/@20/v").status, 200)
        self.assertEqual(self.get("/@99/v").status, 404)

    def test_readers_see_whole_commits_while_a_writer_commits(self):
        self.save("a", b"0" * 3000)
        self.save("b", b"0" * 100000)
        self.serve()
        stop = threading.Event()
        wrong = []
        seen = set()

        def read(name):
            try:
                connection = self.connect()
                last = 0
                while not stop.is_set():
                    answer = self.ask("GET", f"/live/{name}", on=connection)
                    number = int(answer["Holog-Number"])
                    if answer.status != 200 or number < last or len(set(answer.body)) != 1:
                        wrong.append((name, answer.status, number, last))
                    other = "a" if name == "b" else "b"
                    pinned = self.ask("GET", f"/@{number}/{other}", on=connection)
                    if number > 2 and pinned.body[:1] != answer.body[:1]:
                        wrong.append((name, number, pinned.body[:1], answer.body[:1]))
                    last = number
                    seen.add(number)
            except Exception as e:  # of a thread nobody else would hear
                wrong.append(repr(e))

        readers = [threading.Thread(target=read, args=(n,)) for n in "abab"]
        for reader in readers:
            reader.start()
        for i in range(1, 30):
            letter = chr(65 + i % 26)
            batch = "".join(json.dumps({"op": "save", "path": p, "text": letter * n,
                                        "replace": True}) + "\n"
                            for p, n in (("a", 3000), ("b", 100000)))
            self.holog("batch", self.store, input=batch.encode())
        stop.set()
        for reader in readers:
            reader.join(WAIT_S)
        self.assertEqual(wrong, [])
        self.assertGreater(len(seen), 3)


class Damage(Serve):
    def setUp(self):
        super().setUp()
        self.small = os.urandom(3000)
        self.large = os.urandom(3 << 20)
        self.save("small", self.small)
        self.save("large", self.large)
        self.save("sound", b"sound")

    def test_damage_is_500_and_never_404_or_a_wrong_byte(self):
        self.serve()
        self.assertEqual(self.get("/live/").status, 200)  # it has found the end of the log
        self.flip(self.small[1000:1064])
        self.flip(self.large[2000000:2000064], ".hext")
        for target in ("/live/small", "/@1/small", "/live/large", "/@2/large"):
            answer = self.get(target)
            self.assertEqual(answer.status, 500, target)
            self.assertIn(b"HOLOG_E_CORRUPT", answer.body)
            self.assertRegex(answer.body, rb"segment \d+, offset \d+")
            self.assertNotIn("immutable", answer["Cache-Control"])
            self.assertIsNone(answer["ETag"])
        for text in ("bytes=2000000-2000000", "bytes=0-", "bytes=-2000000",
                     "bytes=1999999-2000100"):
            self.assertEqual(self.get("/live/large", Range=text).status, 500, text)
        answer = self.get("/live/large", Range="bytes=0-99999")
        self.assertEqual((answer.status, answer.body), (206, self.large[:100000]))
        answer = self.get("/live/large", Range="bytes=-100000")
        self.assertEqual((answer.status, answer.body), (206, self.large[-100000:]))
        self.assertEqual(self.get("/live/sound").body, b"sound")
        self.assertEqual(self.get("/live/none").status, 404)

    def test_each_flipped_byte_is_seen(self):
        values = [os.urandom(1500) for _ in range(30)]
        for i, value in enumerate(values):
            self.save(f"k{i}", value)
        self.serve()
        for i, value in enumerate(values):
            self.flip(value[45 * i:][:40])
        for i in range(30):
            answer = self.get(f"/@33/k{i}")
            self.assertEqual(answer.status, 500, (i, answer.headers, answer.body[:100]))


class Life(Serve):
    @unittest.skipIf("HOLOG_SANITIZER" in os.environ, "sanitizers need all addresses")
    def test_a_value_larger_than_memory_is_sent(self):
        large = os.urandom(1 << 20) * 320
        self.save("large", large)
        self.serve(memory_max=512 << 20)
        answer = self.get("/live/large")
        self.assertEqual((answer.status, answer["Content-Length"]), (200, str(len(large))))
        self.assertTrue(answer.body == large)
        answer = self.get("/live/large", Range="bytes=-99999999")
        self.assertTrue(answer.body == large[-99999999:])
        self.flip(large[12345:12377], ".hext")
        self.assertEqual(self.get("/live/large").status, 500)

    def test_health_and_metrics(self):
        self.save("v", b"x" * 1000)
        self.serve()
        connection = self.connect()  # on one each is counted before the next is asked
        for target, status in (("/live/v", 200), ("/live/v", 200), ("/live/none", 404)):
            self.assertEqual(self.ask("GET", target, on=connection).status, status)
        health = self.ask("GET", "/healthz", on=connection)
        self.assertEqual((health.status, health.body), (200, b"ok\n"))
        text = self.ask("GET", "/metrics", on=connection).body.decode()
        label = f'store="{self.store}"'
        self.assertIn(f'holog_http_answers_total{{{label},status="200"}} 3\n', text)
        self.assertIn(f'holog_http_answers_total{{{label},status="404"}} 1\n', text)
        self.assertIn(f"holog_entries{{{label}}} 1\n", text)
        self.assertNotIn("holog_commits_total", text)
        sent = int(re.search(r"(?m)^holog_http_sent_bytes_total\{.*\} (\d+)$", text).group(1))
        self.assertGreater(sent, 2000)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) holog_\w+ .+|holog_\w+\{.+\} [0-9.]+)$')
        names = re.findall(r"(?m)^# TYPE (\S+)", text)
        self.assertEqual(len(names), len(set(names)))

    def test_verbose_logs_each_request(self):
        self.serve("--verbose")
        self.get("/live/none?x=%1b")
        self.raw_status(b"/live/\x1b[31m")
        self.end()
        self.assertRegex(self.log(), r"(?m)^127\.0\.0\.1 GET /live/none\?x=%1b 404 \d+ ")
        self.assertNotIn("\x1b", self.log())

    def test_it_is_silent_otherwise(self):
        self.serve()
        self.get("/live/none")
        self.end(signal.SIGINT)
        self.assertEqual(self.log(), "")

    def test_an_answer_on_its_way_is_finished(self):
        large = os.urandom(30 << 20)
        self.save("large", large)
        self.serve()
        idle = self.connect()
        self.ask("GET", "/live/none", on=idle)
        plug = self.plug()
        plug.sendall(b"GET /live/large HTTP/1.1\r\nHost: x\r\n\r\n")
        seen = plug.recv(1000)
        process = self.process
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        self.assertIsNone(process.poll(), "it has not waited")
        with self.assertRaises(OSError):
            socket.create_connection((self.host, self.port), timeout=1).close()
        while piece := plug.recv(1 << 20):
            seen += piece
        self.assertTrue(seen.endswith(large))
        self.assertEqual(process.wait(5), 0, "idle connections are not waited for")
        self.process = None

    def test_a_second_signal_ends_it_at_once(self):
        self.save("large", os.urandom(30 << 20))
        self.serve()
        plug = self.plug()
        plug.sendall(b"GET /live/large HTTP/1.1\r\nHost: x\r\n\r\n")
        plug.recv(1000)
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(5), -signal.SIGTERM)

    def test_connections_are_bounded(self):
        self.save("v", b"x")
        self.serve("--max-connections", "2")
        held = [self.plug() for _ in range(2)]
        for plug in held:
            plug.sendall(b"GET /live/v HTTP/1.1\r\n")  # more will come
        third = self.plug()
        third.sendall(b"GET /live/v HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(select.select([third], [], [], 0.4)[0], [], "there was room for a third")
        held[0].close()
        self.assertEqual(select.select([third], [], [], WAIT_S)[0], [third])
        self.assertTrue(third.recv(100).startswith(b"HTTP/1.1 200"))

    def test_idle_connections_keep_nobody_out(self):
        self.save("v", b"x")
        self.serve("--max-connections", "16")
        idle = [self.connect() for _ in range(40)]
        for connection in idle:
            self.assertEqual(self.ask("GET", "/live/v", on=connection).status, 200)
        self.assertIsNotNone(idle[0].sock, "there was room, and it was closed")
        text = self.get("/metrics").body.decode()
        self.assertLessEqual(int(re.search(r"(?m)^holog_http_connections\{.*\} (\d+)$", text)[1]), 16)

    def test_clients_that_go_away_leave_nothing(self):
        self.save("large", os.urandom(8 << 20))
        self.serve()
        for _ in range(20):
            plug = self.plug()
            plug.sendall(b"GET /live/large HTTP/1.1\r\nHost: x\r\n\r\n")
            plug.recv(100)
            plug.close()
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            text = self.get("/metrics").body.decode()
            if re.search(r"(?m)^holog_http_requests\{.*\} 1$", text):
                break
            time.sleep(0.05)
        self.assertRegex(text, r"(?m)^holog_http_requests\{.*\} 1$")
        self.assertRegex(text, r"(?m)^holog_http_broken_total\{.*\} [1-9]")

    def test_many_clients_at_once(self):
        values = {f"k{i}": os.urandom(1000 * i + 1) for i in range(20)}
        for name, value in values.items():
            self.save(name, value)
        self.serve()
        wrong = []

        def read(seed):
            try:
                connection = self.connect()
                for i in range(100):
                    name = f"k{(seed * 7 + i) % 20}"
                    first = (i * 37) % len(values[name])
                    answer = self.ask("GET", f"/@{1 + (seed + i) % 20}/{name}",
                                      {"Range": f"bytes={first}-"}, on=connection)
                    if answer.status == 206 and answer.body != values[name][first:]:
                        wrong.append(name)
                    elif answer.status not in (206, 404):
                        wrong.append(answer.status)
            except Exception as e:  # of a thread nobody else would hear
                wrong.append(repr(e))

        threads = [threading.Thread(target=read, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        self.assertEqual(wrong, [])

    @unittest.skipUnless(os.path.exists("/proc/net/if_inet6"), "no IPv6")
    def test_another_address(self):
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("no ::1")
        self.serve("--bind", "::1")
        self.assertEqual(self.host, "::1")
        self.assertEqual(self.get("/healthz").status, 200)

    def test_a_port_in_use_is_told(self):
        self.serve()
        done = self.holog("serve", self.store, "--port", str(self.port), status=FAILED)
        self.assertIn("in use", done.message)
        self.assertIn(str(self.port), done.message)

    def test_wrong_usage(self):
        for options, says in ((["--port", "65536"], "65535"), (["--bind", "nowhere"], "no address"),
                              (["--writable"], "--token"), (["--token", "x"], "--writable"),
                              (["--max-connections", "0"], "from 1"),
                              (["--max-body", "1"], "--writable")):
            self.assertIn(says, self.holog("serve", self.store, *options, status=USAGE).message)
        self.assertIn("no such directory", self.holog("serve", self.store, "--path", "none",
                                                      status=FAILED).message)
        self.holog("serve", self.path("none"), status=FAILED)


def importable(*names):
    return all(importlib.util.find_spec(name) for name in names)


class Clients(Serve):
    """What others read, when it is installed: data is compared, since some fail silently."""

    def fill(self):
        with open(self.path("token"), "w", encoding="utf-8") as f:
            f.write(TOKEN)
        os.chmod(self.path("token"), 0o600)
        self.serve("--writable", "--token", self.path("token"))
        document = {**ARRAY, "shape": [10, 6], "fill_value": 7, "chunk_grid": {
            "name": "regular", "configuration": {"chunk_shape": [4, 3]}}}
        chunks = {f"c/{i}/{j}": bytes(range(20 * i + 3 * j, 20 * i + 3 * j + 12))
                  for i in range(3) for j in range(2) if (i, j) != (1, 1)}
        for key, value in {"zarr.json": json.dumps(document).encode(), **chunks}.items():
            answer = self.ask("PUT", "/live/g/a/" + key, {"Authorization": "Bearer " + TOKEN},
                              value)
            self.assertEqual(answer.status, 201)
        rows = [[7] * 6 for _ in range(10)]
        for key, value in chunks.items():
            i, j = (int(n) for n in key.split("/")[1:])
            for k, byte in enumerate(value):
                if 4 * i + k // 3 < 10:
                    rows[4 * i + k // 3][3 * j + k % 3] = byte
        return f"http://127.0.0.1:{self.port}/", rows, chunks

    @unittest.skipUnless(importable("zarr", "fsspec", "aiohttp"), "no zarr, fsspec and aiohttp")
    def test_zarr_reads_the_twin(self):
        import zarr
        url, rows, _ = self.fill()
        for target in ("live/v2/g/a", "@HEAD/v2/g/a", "@6/v2/g/a"):
            array = zarr.open(url + target, mode="r")
            self.assertEqual(array[:].tolist(), rows)
        group = zarr.open_consolidated(url + "live/v2", mode="r")
        self.assertEqual(group["g/a"][3:5].tolist(), rows[3:5])

    @unittest.skipUnless(importable("fsspec", "aiohttp"), "no fsspec and aiohttp")
    def test_fsspec_lists_and_reads(self):
        import fsspec
        url, _, chunks = self.fill()
        files = fsspec.filesystem("http")
        found = {name[len(url + "live/g/a/"):] for name in files.find(url + "live/g/a/")}
        self.assertEqual(found, {"zarr.json", *chunks})
        self.assertEqual(files.info(url + "live/g/a/c/0/0")["size"], 12)
        self.assertEqual(files.cat_file(url + "live/g/a/c/0/0", start=-5), chunks["c/0/0"][-5:])
        self.assertFalse(files.exists(url + "live/g/a/c/1/1"))


class Readme(Serve):
    def test_its_urls_answer(self):
        self.save("plates/p1/z0", os.urandom(2000), "-p")
        self.holog("tag", self.store, "before-rerun")
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as f:
            block = re.search(r"(?ms)^```sh\nholog serve .*?^```$", f.read()).group(0)
        self.serve()
        targets = re.findall(r"http://127\.0\.0\.1:8080(/\S*)", block)
        self.assertGreater(len(targets), 4)
        for target in targets:
            answer = self.get(target)
            if answer.status == 307:
                answer = self.get(answer["Location"])
            self.assertEqual(answer.status, 200, target)


class Writing(Serve):
    def token(self, text=TOKEN + "\n", mode=0o600):
        name = self.path("token")
        with open(name, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(name, mode)
        return name

    def write(self, *options):
        self.assertEqual(self.serve("--writable", "--token", self.token(), *options), "writable")

    def put(self, target, body, on=None, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.ask("PUT", target, {"Authorization": "Bearer " + TOKEN, **headers}, body, on)

    def delete(self, target, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.ask("DELETE", target, {"Authorization": "Bearer " + TOKEN, **headers})

    def test_put_get_delete(self):
        self.write()
        value = os.urandom(200000)
        answer = self.put("/live/d/e/v", value)
        self.assertEqual((answer.status, answer["Holog-Number"]), (201, "1"))
        self.assertEqual(answer["Content-Location"], "/@1/d/e/v")
        got = self.get("/live/d/e/v")
        self.assertEqual((got.body, got["ETag"]), (value, answer["ETag"]))
        answer = self.put("/live/d/e/v", b"")
        self.assertEqual((answer.status, answer["Holog-Number"]), (204, "2"))
        self.assertEqual((self.get("/live/d/e/v").status, self.get("/live/d/e/v").body), (200, b""))
        self.assertEqual(self.get("/@1/d/e/v").body, value)
        self.assertEqual(self.delete("/live/d/e/v").status, 204)
        self.assertEqual(self.get("/live/d/e/v").status, 404)
        self.assertEqual(self.delete("/live/d/e/v").status, 204, "what is missing is deleted")
        self.assertEqual(self.get("/@2/d/e/v").status, 200)
        self.end()
        self.assertEqual(self.load("d/e/v", "--at", "1"), value)

    def test_without_the_token_nothing_changes(self):
        self.write()
        for header in (None, "", "Bearer", "Bearer ", "Bearer x", "Bearer " + TOKEN[:-1],
                       "Bearer " + TOKEN + "x", "Basic " + TOKEN, TOKEN,
                       "Bearer " + TOKEN.upper()):
            headers = {} if header is None else {"Authorization": header}
            for method in ("PUT", "DELETE"):
                answer = self.ask(method, "/live/v", headers,
                                  body=b"x" if method == "PUT" else None)
                self.assertEqual(answer.status, 401, header)
                self.assertTrue(answer["WWW-Authenticate"].startswith("Bearer "))
        self.assertEqual(self.get("/live/v").status, 404)
        self.assertEqual(self.put("/live/v", b"x").status, 201)
        answer = self.ask("PUT", "/live/v", {"Authorization": "bearer  " + TOKEN}, b"y")
        self.assertEqual(answer.status, 204)

    def test_conditions_of_changes(self):
        self.write()
        self.assertEqual(self.put("/live/v", b"1", If_Match="*").status, 412)
        first = self.put("/live/v", b"1", If_None_Match="*")
        self.assertEqual(first.status, 201)
        self.assertEqual(self.put("/live/v", b"2", If_None_Match="*").status, 412)
        self.assertEqual(self.put("/live/v", b"2", If_Match='"x"').status, 412)
        second = self.put("/live/v", b"2", If_Match=first["ETag"])
        self.assertEqual(second.status, 204)
        self.assertEqual(self.put("/live/v", b"3", If_Match=first["ETag"]).status, 412)
        self.assertEqual(self.delete("/live/v", If_Match=first["ETag"]).status, 412)
        self.assertEqual(self.get("/live/v").body, b"2")
        self.assertEqual(self.delete("/live/v", If_Match=second["ETag"]).status, 204)
        self.assertEqual(self.delete("/live/v", If_Match="*").status, 412)

    def test_of_many_that_add_one_each_is_counted(self):
        self.write()
        self.put("/live/count", b"0")
        wrong = []

        def add(times):
            try:
                connection = self.connect()
                while times > 0:
                    answer = self.ask("GET", "/live/count", on=connection)
                    more = b"%d" % (int(answer.body) + 1)
                    done = self.put("/live/count", more, on=connection, If_Match=answer["ETag"])
                    if done.status not in (204, 412):
                        wrong.append((done.status, done.body))
                    times -= done.status == 204
                    self.put(f"/live/d/{more.decode()}", more, on=connection)
            except Exception as e:  # of a thread nobody else would hear
                wrong.append(repr(e))

        threads = [threading.Thread(target=add, args=(20,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        self.assertEqual(wrong, [])
        self.assertEqual(self.get("/live/count").body, b"120")

    def test_where_nothing_can_be_put(self):
        self.write()
        self.put("/live/d/v", b"1")
        for target in ("/@1/v", "/@HEAD/v", "/", "/metrics", "/x", "/live/v2/v"):
            answer = self.put(target, b"x")
            self.assertEqual((answer.status, answer["Allow"]), (405, "GET, HEAD, OPTIONS"), target)
        for target in ("/live/", "/live", "/live/d/", "/live/%2e%2e/x", "/live/a//b",
                       "/live/" + "n" * 300):
            self.assertEqual(self.put(target, b"x").status, 400, target)
        self.assertEqual(self.put("/live/v", b"x", Content_Encoding="gzip").status, 415)
        self.assertEqual(self.put("/live/v", b"x", Content_Range="bytes 0-0/5").status, 400)
        answer = self.ask("POST", "/live/v", {"Authorization": "Bearer " + TOKEN})
        self.assertEqual((answer.status, answer["Allow"]), (405, "GET, HEAD, OPTIONS, PUT, DELETE"))
        answer = self.ask("OPTIONS", "/live/v")
        self.assertIn("PUT", answer["Access-Control-Allow-Methods"])
        self.assertIn("Authorization", answer["Access-Control-Allow-Headers"])

    def test_bodies_are_bounded(self):
        self.write("--max-body", "100K")
        self.assertEqual(self.put("/live/v", b"x" * 102400).status, 201)
        self.assertEqual(self.put("/live/w", b"x" * 102401).status, 413)

        def chunks(count):
            for _ in range(count):
                yield b"y" * 1024

        connection = self.connect()
        answer = self.put("/live/c", chunks(100), on=connection)
        self.assertEqual(answer.status, 201)
        self.assertEqual(self.put("/live/c2", chunks(101), on=connection).status, 413)
        self.assertEqual(self.get("/live/c").body, b"y" * 102400)
        self.assertEqual(self.get("/live/c2").status, 404)
        seen = self.raw(b"PUT /live/v HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                        + TOKEN.encode() + b"\r\nContent-Length: 50\r\n\r\nhalf")
        self.assertNotIn(b" 204 ", seen)
        self.assertEqual(self.get("/live/v").body, b"x" * 102400, "half a body is none")

    def test_a_body_is_asked_for(self):
        self.write()
        plug = self.plug()
        plug.sendall(b"PUT /live/v HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + TOKEN.encode()
                     + b"\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        self.assertTrue(plug.recv(1000).startswith(b"HTTP/1.1 100 "))
        plug.sendall(b"abc")
        self.assertTrue(plug.recv(1000).startswith(b"HTTP/1.1 201 "))
        plug = self.plug()
        plug.sendall(b"PUT /live/v HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                     b"Expect: 100-continue\r\n\r\n")
        self.assertTrue(plug.recv(1000).startswith(b"HTTP/1.1 401 "), "refused before it is sent")

    def test_an_array_by_its_keys(self):
        self.write()
        text = json.dumps(ARRAY).encode()
        self.assertEqual(self.put("/live/a/zarr.json", text).status, 201)
        self.assertEqual(self.put("/live/a/c/0", b"\1\2\3\4").status, 201)
        self.assertEqual(self.get("/live/a/zarr.json").body, text)
        self.assertEqual(self.get("/live/a/c/0").body, b"\1\2\3\4")
        self.assertEqual(self.get("/live/a/c/1").status, 404)
        links = re.findall(r'href="([^"]+)"', self.get("/live/a/").body.decode())
        self.assertEqual(set(links), {"zarr.json", "c/"})
        self.assertEqual(self.get("/@1/a/c/0").status, 404)
        self.assertEqual(self.put("/live/a/zarr.json", b"{").status, 400)
        self.assertEqual(self.delete("/live/a/c/0").status, 204)
        self.assertEqual(self.get("/live/a/c/0").status, 404)

    def test_a_shard_is_the_same_bytes_however_it_is_read(self):
        self.write()
        self.assertEqual(self.put("/live/s/zarr.json", json.dumps(SHARDED).encode()).status, 201)
        none = 2 ** 64 - 1
        index = struct.pack("<8Q", 4, 4, none, none, 0, 4, none, none)
        shard = b"bbbbaaaa" + index + struct.pack("<I", crc32c(index))
        self.assertEqual(self.put("/live/s/c/0", shard[:-1] + b"?").status, 400)
        self.assertEqual(self.put("/live/s/c/0", shard).status, 201)
        whole = self.get("/live/s/c/0")
        size = len(whole.body)
        self.assertEqual(size, len(shard))
        self.assertEqual(self.ask("HEAD", "/live/s/c/0")["Content-Length"], str(size))
        for first in range(0, size, 7):
            part = self.get("/live/s/c/0", Range=f"bytes={first}-{first + 9}")
            self.assertEqual(part.body, whole.body[first:first + 10])
            self.assertEqual(part["ETag"], whole["ETag"])
        tail = self.get("/live/s/c/0", Range="bytes=-68").body
        self.assertEqual(tail, whole.body[-68:])
        self.assertEqual(struct.unpack("<I", tail[-4:])[0], crc32c(tail[:-4]))
        offsets = struct.unpack("<8Q", tail[:-4])
        for i, inner in ((0, b"aaaa"), (2, b"bbbb")):
            first, count = offsets[2 * i:2 * i + 2]
            self.assertEqual(self.get("/live/s/c/0", Range=f"bytes={first}-{first + count - 1}")
                             .body, inner)
        changed = self.put("/live/s/c/0", shard.replace(b"aaaa", b"cccc"), If_Match=whole["ETag"])
        self.assertEqual(changed.status, 204)
        self.assertNotEqual(changed["ETag"], whole["ETag"])
        self.assertEqual(self.get("/@2/s/c/0").body, whole.body)

    def test_the_twins_of_an_array(self):
        self.write()
        self.put("/live/a/zarr.json", json.dumps(ARRAY).encode())
        self.put("/live/a/c/0", b"\1\2\3\4")
        self.put("/live/blob", b"x")
        self.assertEqual(self.get("/live/v2/a/0").body, b"\1\2\3\4")
        self.assertEqual(self.get("/@2/v2/a/0")["Cache-Control"], FOREVER)
        self.assertEqual(self.get("/live/v2/a/.zarray").json()["chunks"], [4])
        self.assertEqual(self.get("/live/v2/.zgroup").json(), {"zarr_format": 2})
        self.assertEqual(self.get("/live/v2/a/zarr.json").status, 404)
        self.assertEqual(self.get("/live/v2/a")["Location"], "/live/v2/a/")
        self.assertEqual(self.get("/live/v2/blob")["ETag"], self.get("/live/blob")["ETag"])
        consolidated = self.get("/live/v3/zarr.json").json()["consolidated_metadata"]
        self.assertIn("a", consolidated["metadata"])
        self.assertNotIn("consolidated_metadata", self.get("/live/zarr.json").json())
        self.assertEqual(self.put("/live/v3/other", b"x").status, 201)
        self.assertEqual(self.get("/live/other").body, b"x")

    def test_one_writer_only(self):
        self.write()
        self.assertIn("open for writing", self.save("v", b"x", status=FAILED).message)
        done = self.holog("serve", self.store, "--port", "0", "--writable", "--token",
                          self.token(), status=FAILED)
        self.assertIn("open for writing", done.message)

    def test_tokens_that_are_none(self):
        for text, mode, says in ((TOKEN, 0o644, "chmod 600"), (TOKEN, 0o660, "chmod 600"),
                                 ("short\n", 0o600, "at least 16"), ("", 0o600, "at least 16"),
                                 ("x" * 5000, 0o600, "at most"), ("a b" * 10, 0o600, "blanks"),
                                 ("line one is long enough\nline two", 0o600, "blanks")):
            done = self.holog("serve", self.store, "--writable", "--token", self.token(text, mode),
                              status=FAILED)
            self.assertIn(says, done.message)
        done = self.holog("serve", self.store, "--writable", "--token", self.path("none"),
                          status=FAILED)
        self.assertIn("No such file", done.message)
        self.holog("serve", self.store, "--writable", "--token", self.dir, status=FAILED)

    def test_writable_for_others_is_warned_of(self):
        self.write("--bind", "0.0.0.0")
        self.assertIn("TLS", self.log())
        self.end()
        self.write("--bind", "127.0.0.2")
        self.assertEqual(self.log(), "")


if __name__ == "__main__":
    main()
