// Where the log goes. A disk that is full or a reader that is stuck costs lines, which are counted, and nothing else:
// no forecast may depend on the log, nor the end of the process.
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

/** Bytes that wait for a slow reader before lines are dropped. */
const MOST_WAITING = 1024 * 1024;
const NEWLINE = Buffer.from('\n');

/** Writes lines to a file, a terminal, a pipe or a socket. */
export class LogOutput {
  readonly #write: (line: string) => boolean;
  #dropped = 0;

  constructor(fd: number) {
    this.#write = canStall(fd) ? streamWriter(fd) : fileWriter(fd);
  }

  /** Lines that were lost. */
  get dropped(): number {
    return this.#dropped;
  }

  write(line: string): void {
    if (!this.#write(line)) this.#dropped++;
  }
}

/** Whether a write may wait for a reader. */
function canStall(fd: number): boolean {
  try {
    const about = fstatSync(fd);
    return about.isFIFO() || about.isSocket();
  } catch {
    // Closed; every write will fail, and that is all.
    return false;
  }
}

/** At once, so that the last line before a crash is there. */
function fileWriter(fd: number): (line: string) => boolean {
  // Whether the last line was cut off in the middle.
  let torn = false;
  return (line) => {
    const bytes = torn ? Buffer.concat([NEWLINE, Buffer.from(line)]) : Buffer.from(line);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(fd, bytes, written);
      torn = false;
      return true;
    } catch {
      torn ||= written > 0;
      return false;
    }
  };
}

/** At once too, as long as the reader keeps up; then as far as a limit. */
function streamWriter(fd: number): (line: string) => boolean {
  const stream = new Socket({ fd, readable: false, writable: true });
  // Its reader has gone.
  stream.on('error', () => {});
  stream.unref();
  return (line) => {
    if (stream.destroyed || stream.writableLength > MOST_WAITING) return false;
    stream.write(line);
    return true;
  };
}
