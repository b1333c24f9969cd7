// zarrita over HTTP, with its own FetchStore; jobs and answers are those of client.py.
import { createInterface } from "node:readline";
import { readFileSync, writeFileSync } from "node:fs";
import * as zarr from "zarrita";
import FileSystemStore from "@zarrita/storage/fs";

const bytes = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

async function read(job) {
  const Store = job.base.startsWith("http:") ? zarr.FetchStore : FileSystemStore;
  const root = zarr.root(new Store(job.base));
  const open = job.format === 3 ? zarr.open.v3 : zarr.open.v2;
  const array = await open(root.resolve("/" + job.path), { kind: "array" });
  const parts = [];
  for (const region of job.regions) {
    const part = await zarr.get(array, region.map(([a, b, step]) => zarr.slice(a, b, step)));
    parts.push(part);
  }
  writeFileSync(job.out, Buffer.concat(parts.map((part) => elements(part, job))));
  return { shape: array.shape, dtype: array.dtype, attributes: array.attrs ?? {}, names: array.dimensionNames ?? null };
}

// A region without an axis comes as the element itself; bools as an array of their own.
function elements(part, job) {
  if (part?.data === undefined) {
    const types = { "<u2": Uint16Array, "<f8": Float64Array, "<i8": BigInt64Array };
    return bytes(types[job.dtype].of(part));
  }
  if (part.data instanceof zarr.BoolArray) return Buffer.from(Uint8Array.from(part.data, Number));
  return bytes(part.data);
}

// FetchStore only reads: what is set is sent with PUT.
class PutStore extends zarr.FetchStore {
  async set(key, value) {
    const headers = { Authorization: "Bearer " + this.token };
    const answer = await fetch(this.base + key, { method: "PUT", headers, body: value });
    if (!answer.ok) throw new Error(`PUT ${key}: ${answer.status} ${await answer.text()}`);
  }
}

async function write(job) {
  const store = new PutStore(job.base);
  Object.assign(store, { base: job.base, token: job.token });
  const codecs = [{ name: "bytes", configuration: { endian: "little" } }];
  if (job.zstd) codecs.push({ name: "zstd", configuration: { level: 1 } });
  const array = await zarr.create(zarr.root(store).resolve("/" + job.path), {
    shape: job.shape, chunkShape: job.chunk, dtype: job.type, codecs, fillValue: 0,
    attributes: { by: "zarrita" } });
  const types = { uint8: Uint8Array, uint16: Uint16Array, int32: Int32Array, float64: Float64Array };
  const raw = readFileSync(job.file);
  const data = new types[job.type](raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
  const stride = job.shape.map((_, k) => job.shape.slice(k + 1).reduce((a, b) => a * b, 1));
  await zarr.set(array, null, { data, shape: job.shape, stride });
  return {};
}

const packages = ["zarrita", "@zarrita/storage", "numcodecs"].map((name) => {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return `${name} ${JSON.parse(readFileSync(file)).version}`;
});
const versions = () => ({
  versions: `${packages.join(", ")}, node ${process.versions.node}`,
  lacks: globalThis.Float16Array === undefined ? ["float16"] : [],
});

const actions = { read, write, versions };
for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  let said;
  try {
    said = await actions[job.do ?? "read"](job);
  } catch (error) {
    said = { error: String(error?.stack ?? error).slice(0, 500) };
  }
  process.stdout.write(JSON.stringify({ id: job.id, ...said }) + "\n");
}
