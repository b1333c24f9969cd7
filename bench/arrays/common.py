"""What the benches of arrays share: holog by its C interface, the disk itself, rounds and their medians."""

import ctypes
import importlib.metadata
import json
import os
import statistics
import time

import numpy as np

U64 = ctypes.c_uint64
LIBC = ctypes.CDLL(None, use_errno=True)
UINT16 = 7
FLAGS = ctypes.c_uint(3)  # HOLOG_PARENTS | HOLOG_REPLACE


# ---- holog, by its C interface -------------------------------------------------------------------


class Spec(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("dtype", ctypes.c_uint32),
                ("item_size", ctypes.c_uint32), ("rank", ctypes.c_uint32),
                ("shape", ctypes.POINTER(U64)), ("chunk", ctypes.POINTER(U64)),
                ("fill", ctypes.c_void_p), ("names", ctypes.c_void_p),
                ("attributes", ctypes.c_char_p), ("codec", ctypes.c_uint32),
                ("level", ctypes.c_int32), ("flags", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32), ("inner", ctypes.POINTER(U64))]


class Slice(ctypes.Structure):
    _fields_ = [("start", U64), ("count", U64), ("step", U64)]


class Detail(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("sys_errno", ctypes.c_int), ("has_position", ctypes.c_int),
                ("segment", ctypes.c_uint32), ("offset", U64), ("path", ctypes.c_char * 256),
                ("message", ctypes.c_char * 512)]


class Lib:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.lib.holog_value_data.restype = ctypes.c_void_p
        self.lib.holog_value_size.restype = ctypes.c_size_t

    def call(self, name, *args):
        rc = getattr(self.lib, name)(*args)
        if rc != 0:
            detail = Detail()
            self.lib.holog_last_error(ctypes.byref(detail))
            raise RuntimeError(f"{name}: {detail.message.decode()}")


def numbers(values):
    return (U64 * len(values))(*values)


def strides_of(data):
    """NULL: C order without gaps."""
    return None if data.flags.c_contiguous else (ctypes.c_int64 * data.ndim)(*data.strides)


class Holog:
    """A store in a directory; arrays are uint16."""

    name = "holog"

    def __init__(self, lib, where):
        self.lib = lib
        self.where = where
        self.store = ctypes.c_void_p()
        self.lib.call("holog_open", where.encode(), None, ctypes.byref(self.store))

    def close(self):
        self.lib.call("holog_close", self.store)

    def save(self, path, data, chunk, inner=None, zstd=False):
        """One commit, durable."""
        spec = Spec(struct_size=ctypes.sizeof(Spec), dtype=UINT16, rank=data.ndim,
                    shape=numbers(data.shape), chunk=numbers(chunk), codec=1 if zstd else 0, level=1,
                    inner=numbers(inner) if inner else None)
        self.lib.call("holog_array_save", self.store, path.encode(), ctypes.byref(spec),
                      data.ctypes.data_as(ctypes.c_void_p), strides_of(data), FLAGS, None)

    def save_value(self, path, value, shape, chunk):
        """Every element the same, by strides of 0; in zstd."""
        one = np.full([1] * len(shape), value, np.uint16)
        self.save(path, np.broadcast_to(one, shape), chunk, zstd=True)

    def save_each(self, path, arrays):
        """Each an array of its own and one chunk, in one commit."""
        txn = ctypes.c_void_p()
        self.lib.call("holog_begin", self.store, ctypes.byref(txn))
        for i, data in enumerate(arrays):
            spec = Spec(struct_size=ctypes.sizeof(Spec), dtype=UINT16, rank=data.ndim,
                        shape=numbers(data.shape), chunk=numbers(data.shape))
            self.lib.call("holog_txn_array_save", txn, f"{path}/{i}".encode(), ctypes.byref(spec),
                          data.ctypes.data_as(ctypes.c_void_p), None, FLAGS)
        self.lib.call("holog_commit", txn, None)

    def load(self, path):
        """(an array of one raw chunk where the library has it in memory, what to release)."""
        array, value = self.open_array(path), ctypes.c_void_p()
        self.lib.call("holog_array_load", array, ctypes.byref(value))
        self.close_array(array)
        at, size = self.lib.lib.holog_value_data(value), self.lib.lib.holog_value_size(value)
        return np.frombuffer((ctypes.c_uint8 * size).from_address(at), np.uint16), value

    def release(self, value):
        self.lib.lib.holog_value_release(value)

    def open_array(self, path):
        array = ctypes.c_void_p()
        self.lib.call("holog_array_open", self.store, path.encode(), ctypes.byref(array))
        return array

    def read(self, array, slices, out):
        region = (Slice * len(slices))(*[Slice(*s) for s in slices]) if slices else None
        self.lib.call("holog_array_read", array, region, out.ctypes.data_as(ctypes.c_void_p), None)

    def close_array(self, array):
        self.lib.lib.holog_array_close(array)

    def update(self, path, slices, data):
        region = (Slice * len(slices))(*[Slice(*s) for s in slices])
        self.lib.call("holog_array_update", self.store, path.encode(), region,
                      data.ctypes.data_as(ctypes.c_void_p), None, None)


# ---- the disk --------------------------------------------------------------------------------------


def sync_disk(path):
    """Of the path alone, not of all that are mounted."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if LIBC.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), "syncfs", path)
    finally:
        os.close(fd)


def drop_caches():
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("3")
        return True
    except OSError:
        return False


def raw_rates(where, size):
    """MB/s of the disk itself: 8 MiB O_DIRECT transfers, one at a time, and a sync."""
    import mmap
    piece = mmap.mmap(-1, 8 << 20)
    piece.write(os.urandom(1 << 20) * 8)
    name = os.path.join(where, "raw")
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
    os.posix_fallocate(fd, 0, size)
    start = time.perf_counter()
    for at in range(0, size, 8 << 20):
        os.pwrite(fd, piece, at)
    os.fsync(fd)
    write = size / (time.perf_counter() - start) / 1e6
    start = time.perf_counter()
    for at in range(0, size, 8 << 20):
        os.preadv(fd, [piece], at)
    read = size / (time.perf_counter() - start) / 1e6
    os.close(fd)
    os.unlink(name)
    return write, read


# ---- rounds ----------------------------------------------------------------------------------------


def ratio(values, others, more):
    """Median of the ratios of the rounds; more than 1: the values are better."""
    return statistics.median(a / b if more else b / a for a, b in zip(values, others))


class Report:
    """Values of rows by who made them, one a round."""

    def __init__(self, units):
        self.units = units  # row: (unit, whether more is better)
        self.rows = {}

    def add(self, row, who, value):
        self.rows.setdefault(row, {}).setdefault(who, []).append(value)
        print(f"  {row:<24} {who:<22} {value:12.1f}", flush=True)

    def note(self, row, who):
        """holog's ratio to who it is, of the same rounds."""
        all_of = self.rows[row]
        if who == "holog" or "holog" not in all_of:
            return ""
        return f"  holog {ratio(all_of['holog'], all_of[who], self.units[row][1]):.2f}x"

    def show(self):
        print()
        for row, all_of in self.rows.items():
            unit, more = self.units[row]
            print(f"{row}  ({unit}, {'more' if more else 'less'} is better)")
            for who, values in all_of.items():
                median = statistics.median(values)
                spread = (max(values) - min(values)) / median if median else 0
                print(f"  {who:<24} {median:12.1f}  spread {spread:4.0%}{self.note(row, who)}")

    def write(self, path, **more):
        if path:
            with open(path, "w", encoding="utf-8") as f:
                json.dump({**machine(), **more, "rows": self.rows}, f, indent=1)


def verdict(what, value, target, more):
    met = value >= target if more else value <= target
    print(f"target: {what} {'at least' if more else 'at most'} {target:g}: {value:.2f}, "
          f"{'met' if met else 'missed'}")


def machine():
    return {"machine": os.uname().nodename, "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def version(name):
    """Of what pip has installed; None: it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(*names):
    """Said at the start. What is missing is left out, by name."""
    found = {name: version(name) for name in names}
    print("  ".join(f"{name} {of or 'is not there: left out'}" for name, of in found.items()))
    return found
