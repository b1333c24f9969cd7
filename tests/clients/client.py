"""What the clients in Python share: jobs come as lines of JSON, and what became of each goes back as one.

A job says what to read: {"id", "base": a URL, "path", "format": 2 or 3, "dtype": as NumPy spells it,
"regions": [[[start, stop, step] of each axis], ...], "out": a file}. The client opens that array as its users
would, puts the elements of all regions into the file, and answers {"id", "shape", "dtype", "attributes",
"names"}, null for what it does not tell; or {"id", "error"} where it refused. Other things to "do" are in
each client; all answer to "versions".
"""

import json
import sys

import numpy


def slices(region):
    return tuple(slice(*axis) for axis in region)


def answer(job, do):
    try:
        said = do(job)
    except Exception as e:  # whatever it refuses with is an answer
        said = {"error": f"{type(e).__name__}: {e}"[:500]}
    print(json.dumps({"id": job["id"], **said}), flush=True)


def read_with(read):
    """read(job): (what is said of the array, an array of NumPy for each region)."""
    def do(job):
        said, parts = read(job)
        with open(job["out"], "wb") as f:
            for part in parts:
                part = numpy.asarray(part)
                f.write(part.astype(job["dtype"], order="C", copy=False).tobytes())
        return said
    return do


def main(versions, actions):
    actions = {"versions": lambda job: {"versions": versions}, **actions}
    for line in sys.stdin:
        job = json.loads(line)
        answer(job, actions[job.get("do", "read")])
