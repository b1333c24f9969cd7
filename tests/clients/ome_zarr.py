"""ome-zarr-models, which knows OME-NGFF 0.4 and 0.5 as their specifications have them, over zarr-python."""

import client
import numpy
import ome_zarr_models
import ome_zarr_models.v04
import ome_zarr_models.v05
import zarr
import zarr.storage

MODELS = {2: ome_zarr_models.v04, 3: ome_zarr_models.v05}
NAMES = {"image": "Image", "label": "ImageLabel", "labels": "Labels", "plate": "HCS", "well": "Well"}


def store_of(job):
    if not job["base"].startswith("http:"):
        return job["base"]
    return zarr.storage.FsspecStore.from_url(job["base"], read_only=True)


def group_of(job):
    return zarr.open_group(store_of(job), path=job["path"], mode="r", zarr_format=job["format"])


def validate(job):
    """What the model of the group says; an error where it is not as the specification has it."""
    module = getattr(MODELS[job["format"]], {"plate": "hcs", "label": "image_label"}.get(job["kind"], job["kind"]))
    model = getattr(module, NAMES[job["kind"]]).from_zarr(group_of(job))
    said = (model.ome_attributes if job["format"] == 3 else model.attributes).model_dump(by_alias=True)
    if job["kind"] == "plate":
        said["wells"] = len(list(model.well_groups))
    return {"said": said}


def levels(job):
    """All elements of all levels, one behind the other, in the order that the metadata names them."""
    group = group_of(job)
    attributes = group.attrs["ome"] if job["format"] == 3 else group.attrs
    said = []
    with open(job["out"], "wb") as f:
        for dataset in attributes["multiscales"][0]["datasets"]:
            array = group[dataset["path"]]
            f.write(numpy.ascontiguousarray(array[...]).tobytes())
            said.append({"shape": list(array.shape), "dtype": array.dtype.str,
                         "names": getattr(array.metadata, "dimension_names", None),
                         "transforms": dataset["coordinateTransformations"]})
    return {"levels": said}


def write(job):
    """An image with labels, or a plate, as their specification has them; only level 0 has elements."""
    form = job["format"]
    root = zarr.open_group(job["base"], mode="w", zarr_format=form)
    with open(job["file"], "rb") as f:
        data = numpy.frombuffer(f.read(), "<u2").reshape(job["shape"])
    root.attrs.update({"theirs": {"n": 1}})
    if job["kind"] == "image":
        write_image(root, form, data, "image")
        put(root.create_group("labels"), form, {"labels": ["cells"]})
        write_image(root.create_group("labels/cells"), form, data % 7, "label")
    else:
        field = {"path": "0", "acquisition": 2}
        put(root, form, {"plate": {"rows": [{"name": "A"}, {"name": "AA"}], "columns": [{"name": "1"}],
                                   "wells": [{"path": "AA/1", "rowIndex": 1, "columnIndex": 0}],
                                   "field_count": 1, "acquisitions": [{"id": 2}], "theirs": [1]}})
        put(root.create_group("AA/1"), form, {"well": {"images": [field]}})
        write_image(root.create_group("AA/1/0"), form, data, "image", None)
    return {}


def put(group, form, attributes):
    if form == 3:
        group.attrs.update({"ome": {"version": "0.5", **attributes}})
        return
    for name in ("plate", "well", "image-label"):
        if name in attributes:
            attributes[name] = {**attributes[name], "version": "0.4"}
    for multiscale in attributes.get("multiscales", []):
        multiscale["version"] = "0.4"
    group.attrs.update(attributes)


def write_image(group, form, data, kind, codec="auto"):
    axes = [{"name": "z", "type": "space", "unit": "micrometer"}, {"name": "y", "type": "space"},
            {"name": "x", "type": "space"}]
    datasets = []
    for level, factor in enumerate((1, 2, 4)):
        shape = (data.shape[0], *(-(-n // factor) for n in data.shape[1:]))
        how = {"dimension_names": ["z", "y", "x"]} if form == 3 else {
            "chunk_key_encoding": {"name": "v2", "separator": "/"}}
        array = group.create_array(f"s{level}", shape=shape, chunks=(1, 8, 8), dtype=data.dtype, fill_value=0,
                                   compressors=codec, **how)
        if level == 0:
            array[...] = data
        datasets.append({"path": f"s{level}", "coordinateTransformations": [
            {"type": "scale", "scale": [2.0, 0.5 * factor, 0.5 * factor]}]})
    put(group, form, {
        "multiscales": [{"name": "theirs", "axes": axes, "datasets": datasets, "type": "gaussian"}],
        **({"image-label": {"source": {"image": "../../"}, "colors": [{"label-value": 1, "rgba": [1, 2, 3, 4]}]}}
           if kind == "label" else {"omero": {"channels": [
               {"color": "00FF00", "window": {"min": 0, "max": 9, "start": 0, "end": 9}}], "rdefs": {"model": "color"}}})})


if __name__ == "__main__":
    client.main(f"ome-zarr-models {ome_zarr_models.__version__}, zarr {zarr.__version__}",
                {"validate": validate, "levels": levels, "write": write})
