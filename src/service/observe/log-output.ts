// Writes the log. If a disk is full or a reader is stuck, lines are dropped and counted; neither forecasts nor the end of the
// process may depend on the log.
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

/** Bytes that wait for a slow reader before lines are dropped. */
const MAX_WAITING = 1024 * 1024;
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
    // The descriptor is closed; every write will fail, with no other effect.
    return false;
  }
}

/** Writes synchronously, so that the last line before a crash is written. */
function fileWriter(fd: number): (line: string) => boolean {
  // Whether the last line is incomplete.
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

/** Writes synchronously while the reader keeps up; otherwise buffers up to a limit. */
function streamWriter(fd: number): (line: string) => boolean {
  const stream = new Socket({ fd, readable: false, writable: true });
  // The reader has closed the stream.
  stream.on('error', () => {});
  stream.unref();
  return (line) => {
    if (stream.destroyed || stream.writableLength > MAX_WAITING) return false;
    stream.write(line);
    return true;
  };
}
