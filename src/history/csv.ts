// Reads CSV as a stream, gzipped or not, and passes on one row at a time with its line number.
//
// Lines without a quote are split at their commas here, which is twice as fast as a general parser and keeps the line
// number. A record with a quote is parsed by csv-parse.
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline, type Readable, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import { TFTError } from '../contract/errors.js';

/** The callbacks of {@link readCsv}. They run between two chunks of the file; only `piece` may be asynchronous. */
export interface CsvHandler {
  header(names: readonly string[]): void;
  /** A row has as many fields as the header. `line` counts from 1, the header's. */
  row(fields: readonly string[], line: number): void;
  /** The number of bytes read of the file on disk, and its size if it has one. */
  progress?(bytes: number, total: number | undefined): void;
  /** After each chunk; the next one is read when it resolves. */
  piece?(): Promise<void>;
}

const PIECE = 1 << 18;
const MAX_RECORD_LENGTH = 1 << 20;
const NEWLINE = 10;

/**
 * Reads a file, or a stream such as standard input. Gzip is recognised by its first bytes, not by its name.
 *
 * @throws TFTError ERR_TFT_FILE if it cannot be read or is not text; ERR_TFT_HISTORY_EMPTY if it is empty;
 *   ERR_TFT_HISTORY_VALUE for a row whose number of fields is not the header's; and what the handler throws.
 */
export async function readCsv(
  source: string | Readable,
  handler: CsvHandler,
  separator = ',',
  shown = typeof source === 'string' ? source : 'standard input',
): Promise<void> {
  const records = new RecordReader(handler, shown, separator);
  let raw: Readable | undefined;
  try {
    // Awaited before the stream is created: an error of the stream during the wait would have no listener.
    const total = typeof source === 'string' ? (await stat(source)).size : undefined;
    raw = typeof source === 'string' ? createReadStream(source, { highWaterMark: PIECE }) : source;
    let bytes = 0;
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        done(null, chunk);
      },
    });
    for await (const chunk of await decompressed(raw, counted)) {
      records.push(chunk);
      handler.progress?.(bytes, total);
      await handler.piece?.();
    }
    records.end();
  } catch (error) {
    throw error instanceof TFTError ? error : fileError(shown, error as NodeJS.ErrnoException);
  } finally {
    raw?.destroy();
  }
}

/** The stream's bytes, unzipped if its first two are gzip's. */
async function decompressed(raw: Readable, counted: Transform): Promise<AsyncIterable<Buffer>> {
  pipeline(raw, counted, () => {});
  const chunks = counted.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const { value, done } = await chunks.next();
    if (done) break;
    head = Buffer.concat([head, value as Buffer]);
  }
  async function* whole() {
    yield head;
    yield* chunks;
  }
  if (head[0] !== 0x1f || head[1] !== 0x8b) return whole();
  const gunzip = createGunzip({ chunkSize: PIECE });
  pipeline(whole, gunzip, () => {});
  return gunzip;
}

class RecordReader {
  readonly #handler: CsvHandler;
  readonly #shown: string;
  readonly #separator: string;
  #columns = 0;
  #line = 0;
  #started = false;
  /** Bytes after the last newline. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** A record whose quote is still open, and the line that it began on. */
  #open: { text: string; line: number } | undefined;

  constructor(handler: CsvHandler, shown: string, separator: string) {
    this.#separator = separator;
    this.#handler = handler;
    this.#shown = shown;
  }

  push(chunk: Buffer): void {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) this.#text(this.#joined(chunk.subarray(0, end)));
    this.#keep(chunk.subarray(end));
  }

  end(): void {
    if (this.#restBytes > 0) this.#text(this.#joined(Buffer.from('\n')));
    if (this.#open !== undefined) throw this.#unclosed(this.#open.line);
    if (this.#columns === 0) throw new TFTError('ERR_TFT_HISTORY_EMPTY', `${this.#shown} is empty`);
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#rest.push(bytes);
    this.#restBytes += bytes.length;
    if (this.#restBytes > MAX_RECORD_LENGTH) {
      throw new TFTError(
        'ERR_TFT_FILE',
        `${this.#shown}: line ${this.#line + 1} has no end within 1 MiB; is this a CSV file?`,
      );
    }
  }

  #joined(last: Buffer): Buffer {
    if (this.#rest.length === 0) return last;
    const joined = Buffer.concat([...this.#rest, last]);
    this.#rest = [];
    this.#restBytes = 0;
    return joined;
  }

  /** Whole lines, each with its newline. */
  #text(bytes: Buffer): void {
    if (!isUtf8(bytes) || bytes.includes(0)) {
      throw new TFTError('ERR_TFT_FILE', `${this.#shown} is not text in UTF-8; a CSV file is needed`);
    }
    let text = bytes.toString('utf8');
    if (!this.#started) {
      this.#started = true;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    const quoted = this.#open !== undefined || text.includes('"');
    for (let at = 0; at < text.length; ) {
      const newline = text.indexOf('\n', at);
      const end = newline > at && text.charCodeAt(newline - 1) === 13 ? newline - 1 : newline;
      const line = text.slice(at, end);
      at = newline + 1;
      this.#line++;
      if (quoted && (this.#open !== undefined || line.includes('"'))) this.#quotedLine(line);
      else if (!isBlank(line)) this.#record(line.split(this.#separator), this.#line);
    }
  }

  #quotedLine(line: string): void {
    const record = this.#open ?? { text: '', line: this.#line };
    record.text = this.#open === undefined ? line : `${record.text}\n${line}`;
    this.#open = undefined;
    if (countQuotes(record.text) % 2 === 1) {
      if (record.text.length > MAX_RECORD_LENGTH) throw this.#unclosed(record.line);
      this.#open = record;
      return;
    }
    let rows: string[][];
    try {
      rows = parse(record.text, { relax_column_count: true, delimiter: this.#separator });
    } catch (cause) {
      throw new TFTError(
        'ERR_TFT_HISTORY_VALUE',
        `${this.#shown}, line ${record.line}: ${(cause as Error).message}`,
        { cause, details: { line: record.line } },
      );
    }
    for (const fields of rows) this.#record(fields, record.line);
  }

  #record(fields: readonly string[], line: number): void {
    if (this.#columns === 0) {
      this.#columns = fields.length;
      this.#handler.header(fields.map((name) => name.trim()));
    } else if (fields.every(isBlank)) {
      // Spreadsheets append empty rows.
    } else if (fields.length === this.#columns) {
      this.#handler.row(fields, line);
    } else {
      const hint = fields.length < this.#columns ? '; is the line cut off?' : '';
      throw new TFTError(
        'ERR_TFT_HISTORY_VALUE',
        `${this.#shown}, line ${line} has ${fields.length} fields, but the header has ${this.#columns}${hint}`,
        { details: { line, found: fields.length, expected: this.#columns } },
      );
    }
  }

  #unclosed(line: number): TFTError {
    return new TFTError(
      'ERR_TFT_HISTORY_VALUE',
      `${this.#shown}, line ${line}: a quote is opened and never closed`,
      { details: { line } },
    );
  }
}

/** Empty, blanks, or the end-of-file character of old programs. */
function isBlank(text: string): boolean {
  return text === '' || text === '\x1a' || text.trim() === '';
}

function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count++;
  return count;
}

const REASONS: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'it may not be read',
  EPERM: 'it may not be read',
  Z_BUF_ERROR: 'the gzip data ends early; was the file cut off?',
  Z_DATA_ERROR: 'the gzip data is damaged',
};

/** The message for a failure of the file system or of gzip. */
export function fileError(path: string, cause: NodeJS.ErrnoException): TFTError {
  const reason = REASONS[cause.code ?? ''] ?? cause.message;
  return new TFTError('ERR_TFT_FILE', `cannot read ${path}: ${reason}`, { cause, details: { path } });
}
