// Streams libraries from an archive as it was downloaded (a zip file or a jar), without packing them anew: writes a tar
// file with NAME.gz for each, whose compressed bytes are the archive's.
//
//   node take-libraries.mjs ARCHIVE PREFIX[,PREFIX …] > FILE.tar
//
// The libraries are those whose file names begin with one of the prefixes, from any folder of the archive. gzip and zip
// both hold deflated bytes with a CRC-32; only what is around them differs.
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { stdout } from 'node:process';

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const LOCAL_ENTRY = 0x04034b50;
const DEFLATED = 8;
/** The end of the directory, with the longest comment. */
const MAX_END_BYTES = 22 + 0xffff;
const TAR_BLOCK = 512;
const READ_BYTES = 1 << 22;
const GZIP_HEAD = Buffer.from([0x1f, 0x8b, DEFLATED, 0, 0, 0, 0, 0, 0, 255]);

const [archive, prefixes] = process.argv.slice(2);
if (prefixes === undefined) throw new Error('usage: take-libraries.mjs ARCHIVE PREFIX[,PREFIX …]');
const file = await open(archive);

async function read(position, length) {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead < length) throw new Error(`${archive} is truncated`);
  return bytes;
}

/** The entries of the archive's directory, which is at its end. */
async function entries() {
  const { size } = await file.stat();
  const tail = await read(Math.max(0, size - MAX_END_BYTES), Math.min(size, MAX_END_BYTES));
  let end = tail.length - 22;
  while (end >= 0 && tail.readUInt32LE(end) !== END_OF_DIRECTORY) end--;
  if (end < 0) throw new Error(`${archive} is not a zip file`);
  const directory = await read(tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
  const found = [];
  for (let at = 0; at < directory.length; ) {
    if (directory.readUInt32LE(at) !== DIRECTORY_ENTRY)
      throw new Error(`${archive}: its directory is damaged`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) =>
      directory.readUInt16LE(at + offset),
    );
    found.push({
      method: directory.readUInt16LE(at + 10),
      crc: directory.readUInt32LE(at + 16),
      packed: directory.readUInt32LE(at + 20),
      bytes: directory.readUInt32LE(at + 24),
      position: directory.readUInt32LE(at + 42),
      name: directory.toString('utf8', at + 46, at + 46 + nameLength),
    });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return found;
}

async function write(bytes) {
  if (!stdout.write(bytes)) await new Promise((drained) => stdout.once('drain', drained));
}

/** A tar file's head for a file. */
function tarHead(name, bytes) {
  const head = Buffer.alloc(TAR_BLOCK);
  head.write(name, 0, 100);
  head.write('0000644\0', 100);
  head.write('0000000\0', 108);
  head.write('0000000\0', 116);
  head.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
  head.write('00000000000\0', 136);
  head.fill(' ', 148, 156);
  head.write('0', 156);
  head.write('ustar\u000000', 257);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return head;
}

async function stream({ name, method, crc, packed, bytes, position }) {
  if (method !== DEFLATED || packed === 0xffffffff) throw new Error(`${archive}: ${name} is not deflated`);
  const local = await read(position, 30);
  if (local.readUInt32LE(0) !== LOCAL_ENTRY) throw new Error(`${archive}: ${name} is damaged`);
  const start = position + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  const size = GZIP_HEAD.length + packed + 8;
  await write(tarHead(`${basename(name)}.gz`, size));
  await write(GZIP_HEAD);
  for (let done = 0; done < packed; done += READ_BYTES)
    await write(await read(start + done, Math.min(READ_BYTES, packed - done)));
  const end = Buffer.alloc(8);
  end.writeUInt32LE(crc, 0);
  end.writeUInt32LE(bytes, 4);
  await write(end);
  await write(Buffer.alloc((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK));
}

const wanted = (await entries()).filter(({ name }) =>
  prefixes.split(',').some((prefix) => basename(name).startsWith(prefix)),
);
if (wanted.length === 0) throw new Error(`${archive} has no ${prefixes}`);
for (const entry of wanted) await stream(entry);
await write(Buffer.alloc(2 * TAR_BLOCK));
await file.close();
