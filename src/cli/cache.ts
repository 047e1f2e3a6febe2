// `tft cache`: lists, verifies and prunes the engine cache.
import { Command, Option } from 'commander';
import { type CacheEntry, engineFolder, listCache, type PruneOptions, pruneCache } from '../entries/build.js';
import type { Console, Paint } from './console.js';
import { FAILED, OK } from './exit-codes.js';
import { bytesArgument, formatBytes, spanArgument } from './present/bytes.js';
import { plainTable } from './present/plain-table.js';

interface CacheOptions {
  cache?: string;
  json?: boolean;
}

interface PruneCommandOptions extends CacheOptions {
  olderThan?: number;
  maxBytes?: number;
  all?: boolean;
}

const EXAMPLES = `
Examples:
  $ tft cache list
  $ tft cache verify
  $ tft cache prune --older-than 30d --max-bytes 2G

An engine that is damaged is never used, whether it is verified here or not. An engine in
use may be removed: it is in memory.`;

const VERIFY_EXAMPLES = `
Examples:
  $ tft cache verify
  $ tft cache verify --json | jq '.entries[] | select(.damage)'

Exit status: 0 all is whole, 1 something is damaged ('tft cache prune' removes it).`;

const PRUNE_EXAMPLES = `
Examples:
  $ tft cache prune                       only what dead processes left, and what is damaged
  $ tft cache prune --older-than 30d
  $ tft cache prune --max-bytes 500M
  $ tft cache prune --all`;

const LIST_EXAMPLES = `
Examples:
  $ tft cache list
  $ tft cache list --json | jq '.entries[].record.key.tensorrt'`;

export function cacheCommand(console: Console, exit: (status: number) => void): Command {
  const command = new Command('cache')
    .summary('list, verify and prune the engines that were built')
    .description('Looks after the TensorRT engines that were built here.')
    .addHelpText('after', EXAMPLES);
  const sub = (name: string, description: string, examples: string) =>
    command
      .command(name)
      .summary(description)
      .description(`${description[0]?.toUpperCase()}${description.slice(1)}.`)
      .option('--cache <folder>', 'the cache (default: TFT_CACHE, else ~/.cache/tft-tensorrt)')
      .option('--json', 'print JSON')
      .addHelpText('after', examples);
  sub('list', 'list the engines, the last used first', LIST_EXAMPLES).action(
    async (options: CacheOptions) => {
      const folder = engineFolder(options.cache);
      await write(folder, await listCache(folder), options, console);
      exit(OK);
    },
  );
  sub('verify', 'compare every engine with its hash', VERIFY_EXAMPLES).action(
    async (options: CacheOptions) => {
      const folder = engineFolder(options.cache);
      const entries = await listCache(folder, true);
      await write(folder, entries, options, console);
      exit(entries.some(({ damage }) => damage !== undefined) ? FAILED : OK);
    },
  );
  sub('prune', 'remove engines', PRUNE_EXAMPLES)
    .addOption(
      new Option(
        '--older-than <time>',
        'remove engines not used for this long, such as 30d or 12h',
      ).argParser(spanArgument),
    )
    .addOption(
      new Option(
        '--max-bytes <size>',
        'remove the least recently used beyond this size, such as 2G',
      ).argParser((text) => bytesArgument(text)),
    )
    .option('--all', 'remove everything, even files being written')
    .action(async (options: PruneCommandOptions) => {
      await prune(options, console);
      exit(OK);
    });
  return command;
}

async function prune({ cache, json, ...options }: PruneCommandOptions, { out }: Console): Promise<void> {
  const folder = engineFolder(cache);
  const limits: PruneOptions = {
    olderThanMs: options.olderThan,
    maxBytes: options.maxBytes,
    all: options.all,
  };
  const { removed, busy, bytes } = await pruneCache(folder, limits);
  if (json) {
    await out.write(`${JSON.stringify({ folder, removed, busy, bytes }, null, 2)}\n`);
    return;
  }
  const freed = removed.reduce((sum, entry) => sum + entry.bytes, 0);
  const lines = [
    ...removed.map((entry) => `removed ${entry.name}: ${describeEntry(entry)}`),
    ...busy.map((entry) => `left ${entry.name}: it is being built`),
    `${formatBytes(freed)} freed, ${formatBytes(bytes)} left in ${folder}`,
  ];
  await out.write(`${lines.join('\n')}\n`);
}

async function write(
  folder: string,
  entries: readonly CacheEntry[],
  { json }: CacheOptions,
  { out }: Console,
): Promise<void> {
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const text = json
    ? JSON.stringify({ folder, bytes, entries }, null, 2)
    : table(folder, bytes, entries, out.paint);
  await out.write(`${text}\n`);
}

function table(folder: string, bytes: number, entries: readonly CacheEntry[], paint: Paint): string {
  if (entries.length === 0) return `${folder} is empty`;
  const head = ['', 'what', 'TensorRT', 'GPU', 'batches', 'off by', 'size', 'last used', 'name'];
  const rows = entries.map((entry) => {
    const { record, kind } = entry;
    const mark = entry.damage ? paint('red', '✗') : kind === 'left over' ? '·' : paint('green', '✓');
    const used = entry.lastUsed.toISOString().slice(0, 16).replace('T', ' ');
    if (!record) return [mark, kind, '', '', '', '', formatBytes(entry.bytes), used, entry.name];
    const { key } = record;
    const batches = key.profiles.map(({ min, opt, max }) => `${min}:${opt}:${max}`).join(' ');
    const what = `${record.model} ${key.precision}`;
    const { check } = record;
    // The largest difference to PyTorch's forecasts, of the spread.
    const off = check ? Math.max(...check.map(({ largest }) => largest)).toExponential(1) : 'not checked';
    return [mark, what, key.tensorrt, key.gpu, batches, off, formatBytes(entry.bytes), used, entry.name];
  });
  const lines = plainTable(
    head.map((title) => paint('bold', title)),
    rows,
    head.map((title) => (title === 'size' ? 'right' : 'left')),
  );
  const damaged = entries.flatMap(({ name, damage }) => (damage ? [paint('red', `${name}: ${damage}`)] : []));
  return [...lines, '', ...damaged, `${formatBytes(bytes)} in ${folder}`].join('\n');
}

function describeEntry({ kind, bytes, record, damage }: CacheEntry): string {
  const what = record ? `${record.model} ${record.key.precision}, TensorRT ${record.key.tensorrt}` : kind;
  return `${what}, ${formatBytes(bytes)}${damage ? ` (${damage})` : ''}`;
}
