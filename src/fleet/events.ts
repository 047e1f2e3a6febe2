// Server-sent events: whoever watches is told of each step and of alerts. One who does not keep up is cut off, so that it
// holds no memory here; a browser comes back by itself.
import type { ServerResponse } from 'node:http';

/** Bytes that a watcher may be behind. */
const MOST_BEHIND = 8 * 2 ** 20;
const HEARTBEAT_MS = 15_000;

export class EventHub {
  readonly #watchers = new Set<ServerResponse>();
  readonly #most: number;
  readonly #heartbeat: NodeJS.Timeout;
  #sent = 0;

  /** @param most the largest number of watchers. */
  constructor(most = 256) {
    this.#most = most;
    // Proxies close connections on which nothing comes.
    this.#heartbeat = setInterval(() => this.#write(':\n\n'), HEARTBEAT_MS).unref();
  }

  get count(): number {
    return this.#watchers.size;
  }

  /** Events sent, to however many. */
  get sent(): number {
    return this.#sent;
  }

  get isFull(): boolean {
    return this.#watchers.size >= this.#most;
  }

  /** Tells a response everything from now on. Its headers must have been sent. */
  add(response: ServerResponse): void {
    this.#watchers.add(response);
    response.on('close', () => this.#watchers.delete(response));
    response.on('error', () => this.#watchers.delete(response));
    response.write('retry: 3000\n\n');
  }

  /** Sends an event; its data is made only where somebody watches. */
  send(event: string, data: () => unknown): void {
    if (this.#watchers.size === 0) return;
    this.#sent++;
    this.#write(`event: ${event}\ndata: ${JSON.stringify(data())}\n\n`);
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
  }

  #write(text: string): void {
    for (const watcher of this.#watchers) {
      if (watcher.writableLength > MOST_BEHIND) watcher.destroy();
      else watcher.write(text);
    }
  }
}
