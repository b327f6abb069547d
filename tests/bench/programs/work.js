// SPDX-License-Identifier: MIT
// work.js SCALE: buffers outside V8's heap, JSON, maps, compression; prints checksums.
"use strict";
const crypto = require("crypto");
const zlib = require("zlib");
const scale = Number(process.argv[2]);
let seed = 12345;

function random(n) {
	seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
	return (seed >>> 16) % n;
}

const digest = crypto.createHash("sha256");
const ring = new Array(512);
for (let i = 0; i < 60000 * scale; i++) {
	const b = Buffer.allocUnsafeSlow(64 + random(16000));
	b.writeUInt32LE(i, 0);
	b.fill(i & 255, 4, 64);
	const slot = random(ring.length);
	if (ring[slot])
		digest.update(ring[slot].subarray(0, 64));
	ring[slot] = b;
}
console.log("buffers", digest.digest("hex"));

const list = [];
for (let i = 0; i < 40000 * scale; i++)
	list.push({ id: i, name: "user" + random(9973), tags: ["t" + random(64), "t" + random(64)], x: random(1000) / 7 });
const text = JSON.stringify(list);
const back = JSON.parse(text);
console.log("json", crypto.createHash("sha256").update(JSON.stringify(back, null, 1)).digest("hex"));

const map = new Map();
for (const r of back)
	map.set(r.name, (map.get(r.name) || "") + r.tags.join(""));
console.log("map", map.size, [...map.values()].reduce((n, s) => n + s.length, 0));

let bytes = 0;
for (let i = 0; i < 60 * scale; i++)
	bytes += zlib.inflateSync(zlib.deflateSync(Buffer.from(text.slice(i * 1000, i * 1000 + 60000)), { level: 1 })).length;
console.log("zlib", bytes);

for (let i = 0; i < 3000 * scale; i++)
	digestOf(i);
function digestOf(i) {
	bytes = (bytes * 31 + crypto.createHash("md5").update("x" + i).digest()[0]) % 1000003;
}
console.log("hashes", bytes);
