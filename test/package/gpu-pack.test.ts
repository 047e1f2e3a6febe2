// What benchmarks/gpu/pack does with libraries: the compressed bytes of an archive go into pieces as they are, and are whole
// again where the pieces arrive, in any order.
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const at = (name: string) => fileURLToPath(new URL(`../../benchmarks/gpu/${name}`, import.meta.url));
const MIB = 1 << 20;
/** Larger than a piece and than what is read at once; and a small one. */
const LIBRARIES = {
  'libnvinfer.so.10': randomBytes(5 * MIB + 123),
  'libnvonnxparser.so.10': Buffer.from('a parser '.repeat(1000)),
  'libnvinfer_plugin.so.10': Buffer.from('not wanted'),
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tft-pack-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An archive like Maven's; undefined where Python, which makes it, is missing. */
function makeArchive(): string | undefined {
  for (const [name, content] of Object.entries(LIBRARIES)) writeFileSync(join(folder, name), content);
  const archive = join(folder, 'libraries.jar');
  const program = `import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as made:
    for name in sys.argv[2:]:
        made.write(f'{sys.argv[1].rsplit("/", 1)[0]}/{name}', f'org/bytedeco/{name}')`;
  try {
    execFileSync('python3', ['-c', program, archive, ...Object.keys(LIBRARIES)]);
  } catch {
    return undefined;
  }
  return archive;
}

const take = (archive: string, prefixes: string) =>
  execFileSync(process.execPath, [at('take-libraries.mjs'), archive, prefixes], {
    maxBuffer: 64 * MIB,
    stdio: ['ignore', 'pipe', 'pipe'],
  });

test("libraries arrive whole with the archive's own bytes, from pieces in any order", ({ skip }) => {
  const archive = makeArchive() ?? skip('python3 is missing, which makes the archive');
  const tar = take(archive, 'libnvinfer.so.,libnvonnxparser.so.');
  const packed = readFileSync(archive);
  // Some compressed bytes of the tar file are found in the archive unchanged.
  expect(packed.includes(tar.subarray(2 * MIB, 2 * MIB + 4096))).toBe(true);
  execFileSync(at('pieces'), [folder, 'tensorrt', 'cat', '2'], {
    input: tar,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const pieces = readdirSync(join(folder, 'tensorrt')).filter((name) => name !== 'complete');
  expect(pieces.length).toBe(Math.ceil(tar.length / (2 * MIB)));
  const target = join(folder, 'there');
  for (const piece of pieces.sort().reverse()) {
    expect(existsSync(join(target, 'tensorrt', 'libnvinfer.so.10'))).toBe(false);
    execFileSync(join(folder, 'tensorrt', piece, 'unpack'), [target]);
  }
  expect(readdirSync(join(target, 'tensorrt')).sort()).toEqual(['libnvinfer.so.10', 'libnvonnxparser.so.10']);
  for (const name of ['libnvinfer.so.10', 'libnvonnxparser.so.10'] as const)
    expect(readFileSync(join(target, 'tensorrt', name)).equals(LIBRARIES[name])).toBe(true);
});

test('a piece that was damaged on its way is noticed', () => {
  const content = randomBytes(3 * MIB);
  writeFileSync(join(folder, 'file'), content);
  const tar = execFileSync('tar', ['-c', '-C', folder, 'file'], { maxBuffer: 64 * MIB });
  mkdirSync(join(folder, 'out'));
  execFileSync(at('pieces'), [join(folder, 'out'), 'plans', 'cat', '2'], {
    input: tar,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const note = readFileSync(join(folder, 'out/plans/1/archive'), 'utf8');
  expect(note).toBe(`plans 2 ${createHash('sha256').update(tar).digest('hex')} cat\n`);
  const part = join(
    folder,
    'out/plans/2',
    readdirSync(join(folder, 'out/plans/2')).find((name) => name.startsWith('part')) as string,
  );
  const bytes = readFileSync(part);
  bytes[1000] = (bytes[1000] as number) ^ 1;
  writeFileSync(part, bytes);
  execFileSync(join(folder, 'out/plans/1/unpack'), [join(folder, 'there')]);
  expect(() =>
    execFileSync(join(folder, 'out/plans/2/unpack'), [join(folder, 'there')], { stdio: 'pipe' }),
  ).toThrow('the checksum differs');
});

test('an archive that is none, or without the libraries, is named', ({ skip }) => {
  const archive = makeArchive() ?? skip('python3 is missing, which makes the archive');
  expect(() => take(archive, 'libtensorrt_rtx')).toThrow(`${archive} has no libtensorrt_rtx`);
  writeFileSync(archive, 'no archive');
  expect(() => take(archive, 'libnvinfer.so.')).toThrow(`${archive} is not a zip file`);
});
