"""GDAL: ZARR:"/vsicurl/URL" as a multidimensional array. Before 3.8 GDAL's Zarr v3 is a draft: Zarr v2 only."""

import json

import client
import numpy
from osgeo import gdal

gdal.UseExceptions()
gdal.SetConfigOption("GDAL_DISABLE_READDIR_ON_OPEN", "EMPTY_DIR")


def read(job):
    gdal.VSICurlClearCache()  # it takes what is under a URL to stay
    where = f"{job['base']}/{job['path']}"
    if where.startswith("http:"):
        where = "/vsicurl/" + where
    data = gdal.OpenEx(f'ZARR:"{where}"', gdal.OF_MULTIDIM_RASTER)
    group = data.GetRootGroup()
    name = job["path"].rsplit("/", 1)[-1]  # coordinates of its axes may be there, too
    array = group.OpenMDArray(name)
    shape = [axis.GetSize() for axis in array.GetDimensions()]
    attributes = {a.GetName(): json.loads(json.dumps(a.Read())) for a in array.GetAttributes()}
    parts = []
    for region in job["regions"]:
        start = [axis[0] for axis in region]
        step = [axis[2] for axis in region]
        count = [len(range(*axis)) for axis in region]
        part = array.ReadAsArray(array_start_idx=start, count=count, array_step=step) if count \
            else array.ReadAsArray()
        if part is None:
            raise ValueError(gdal.GetLastErrorMsg())
        parts.append(numpy.asarray(part).reshape(count))
    return {"shape": shape, "dtype": parts[0].dtype.str, "attributes": attributes, "names": None}, parts


if __name__ == "__main__":
    client.main(f"GDAL {gdal.__version__}", {"read": client.read_with(read)})
