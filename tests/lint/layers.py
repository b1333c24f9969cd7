#!/usr/bin/env python3
"""Rooms include themselves and what lies left of them:

    base < io < codec < wal < compaction < engine < array < ome < backends < plugins

src/plugins, which is not linked with the library, includes itself and include/holog, and only
io, codec and backends may include src/plugins/plugin.h.  include/holog includes libc and itself; tools, bench,
examples and python see include/holog only (tools/inspect may also read the log's decoders: it is
a forensic tool; bench/codec may see base and codec: what it measures has no public face yet).  Tests may
see anything.
"""

import os

import lintlib

ROOMS = ["base", "io", "codec", "wal", "compaction", "engine", "array", "ome", "backends",
         "plugins"]
LIBC = {
    "assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdarg.h",
    "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "time.h",
    "sys/types.h", "sys/uio.h",
}
PLUGINS = "src/plugins/"
OUTSIDERS = ("tools", "bench", "examples", "python")
# Third-party headers that only one room may know.
OWNED = {"liburing.h": "io", "lz4.h": "codec", "lz4hc.h": "codec", "zstd.h": "codec",
         "zdict.h": "codec", "zstd_errors.h": "codec", "xxhash.h": "base",
         "xxh_x86dispatch.h": "base", "tiffio.h": "plugins",
         "zip.h": "plugins", "zlib.h": "plugins"}


def room_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "src" and parts[1] in ROOMS else None


def resolve(root, path, name):
    """A quoted include is looked for beside the file, then below src/, as the compiler does."""
    for base in (os.path.dirname(path), "src"):
        found = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(root, found)):
            return found
    return None


def check_plugin(root, path, line, kind, name):
    if kind == "<" or (name.startswith("holog/")
                       and os.path.exists(os.path.join(root, "include", name))):
        return None
    target = resolve(root, path, name)
    if target is not None and target.startswith(PLUGINS):
        return None
    return f"{path}:{line}: plug-ins see <holog/...> and themselves only, not \"{name}\""


def check_src(root, path, line, kind, name):
    if path.startswith(PLUGINS):
        return check_plugin(root, path, line, kind, name)
    here = room_of(path)
    if here is None:
        return f"{path}:{line}: lies in no room ({', '.join(ROOMS)})"
    if kind == "<":
        owner = OWNED.get(name)
        if owner is not None and owner != here:
            return f"{path}:{line}: <{name}> belongs to src/{owner}"
        return None
    if name.startswith("holog/") and os.path.exists(os.path.join(root, "include", name)):
        return None
    target = resolve(root, path, name)
    if target is None:
        return f"{path}:{line}: \"{name}\" is neither beside the file nor below src/"
    there = room_of(target)
    if target == PLUGINS + "plugin.h" and here in ("io", "codec", "backends"):
        return None
    if there is None:
        return f"{path}:{line}: \"{name}\" is in no room; public headers are <holog/...>"
    if ROOMS.index(there) > ROOMS.index(here):
        return f"{path}:{line}: {here} must not include {there} (\"{name}\")"
    return None


def check_public(root, path, line, kind, name):
    if kind == "<" and name in LIBC:
        return None
    if name.startswith("holog/"):
        if os.path.exists(os.path.join(root, "include", name)):
            return None
        return f"{path}:{line}: <{name}> does not exist"
    return f"{path}:{line}: a public header includes only libc and <holog/...>, not {name}"


def check_outsider(root, path, line, kind, name):
    top = path.split("/")[0]
    if kind == "<":
        return None
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    if name.startswith("holog/") and os.path.exists(os.path.join(root, "include", name)):
        return None
    for found in (beside, os.path.normpath(os.path.join(top, name))):
        if found.startswith(top + "/") and os.path.exists(os.path.join(root, found)):
            return None
    target = resolve(root, path, name)
    forensic = path.startswith("tools/inspect")
    if forensic and target is not None:
        there = room_of(target)
        if there in ("base", "io", "codec", "wal") or target.startswith("src/compaction/hwp"):
            return None
    if path.startswith("bench/codec/") and target is not None and room_of(target) in ("base", "codec"):
        return None
    return f"{path}:{line}: {top} sees <holog/...> only, not \"{name}\""


def check(root):
    for path in lintlib.c_files(root, ("src", "include") + OUTSIDERS):
        top = path.split("/")[0]
        judge = {"src": check_src, "include": check_public}.get(top, check_outsider)
        for line, kind, name in lintlib.includes(lintlib.read(root, path)):
            complaint = judge(root, path, line, kind, name)
            if complaint:
                yield complaint


CLEAN = {
    "include/holog/holog.h": "#include <stddef.h>\n",
    "include/holog/array.h": "#include <holog/holog.h>\n",
    "src/base/bytes.h": "",
    "src/base/bytes.c": '#include "bytes.h"\n#include <xxhash.h>\n',
    "src/io/io.h": '#include "base/bytes.h"\n/* #include "wal/frame.h" in a comment */\n',
    "src/wal/frame.h": '#include "io/io.h"\n',
    "src/engine/index.h": "",
    "src/engine/store.c": '#include <holog/holog.h>\n#include "index.h"\n#include "wal/frame.h"\n',
    "src/plugins/plugin.h": "#include <stdint.h>\n",
    "src/plugins/x/x.c": '#include <tiffio.h>\n#include "plugins/plugin.h"\n',
    "src/backends/load.c": '#include "plugins/plugin.h"\n',
    "tools/cli.h": "",
    "tools/main.c": '#include <holog/holog.h>\n#include "cli.h"\n',
    "tools/inspect/dump.c": '#include "wal/frame.h"\n',
    "src/codec/raw.h": "",
    "bench/codec/run.c": '#include "codec/raw.h"\n',
    "tests/wal/frame_test.c": '#include "engine/index.h"\n',
}
PLANTED = [
    ({"src/base/up.c": '#include "io/io.h"\n'}, "base must not include io"),
    ({"src/wal/up.c": '\n#include "../engine/index.h"\n'}, "src/wal/up.c:2: wal must not include"),
    ({"src/compaction/hwp.h": "", "src/wal/x.c": '#include "compaction/hwp.h"\n'},
     "wal must not include compaction"),
    ({"src/engine/x.c": '#include "nowhere.h"\n'}, "neither beside the file"),
    ({"src/engine/x.c": "#include <liburing.h>\n"}, "belongs to src/io"),
    ({"src/stray.c": "#include <stdio.h>\n"}, "lies in no room"),
    ({"src/plugins/x/up.c": '#include "base/bytes.h"\n'}, "plug-ins see"),
    ({"src/array/x.c": '#include "plugins/plugin.h"\n'}, "array must not include plugins"),
    ({"src/backends/x.c": "#include <tiffio.h>\n"}, "belongs to src/plugins"),
    ({"include/holog/bad.h": "#include <xxhash.h>\n"}, "includes only libc"),
    ({"include/holog/bad.h": '#include "base/bytes.h"\n'}, "includes only libc"),
    ({"tools/bad.c": '#include "wal/frame.h"\n'}, "tools sees <holog/...> only"),
    ({"tools/inspect/bad.c": '#include "engine/index.h"\n'}, "tools sees <holog/...> only"),
    ({"bench/bad.c": '#include "../src/io/io.h"\n'}, "bench sees <holog/...> only"),
    ({"bench/codec/bad.c": '#include "wal/frame.h"\n'}, "bench sees <holog/...> only"),
    ({"examples/bad.c": '#include "base/bytes.h"\n'}, "examples sees <holog/...> only"),
]

if __name__ == "__main__":
    lintlib.main(check, PLANTED, CLEAN)
