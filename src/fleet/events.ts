// Server-sent events: each watching client gets every step and every alert. A client that does not keep up is disconnected, so
// that its backlog takes no memory here; a browser reconnects by itself.
import type { ServerResponse } from 'node:http';

/** The largest backlog of a watching client, in bytes. */
const MAX_BEHIND = 8 * 2 ** 20;
const HEARTBEAT_MS = 15_000;

export class EventHub {
  readonly #watchers = new Set<ServerResponse>();
  readonly #maxWatchers: number;
  readonly #heartbeat: NodeJS.Timeout;
  #sent = 0;

  /** @param maxWatchers the largest number of watching clients. */
  constructor(maxWatchers = 256) {
    this.#maxWatchers = maxWatchers;
    // Proxies close connections that carry no data.
    this.#heartbeat = setInterval(() => this.#write(':\n\n'), HEARTBEAT_MS).unref();
  }

  get count(): number {
    return this.#watchers.size;
  }

  /** Events sent. Each counts once, however many clients got it. */
  get sent(): number {
    return this.#sent;
  }

  get isFull(): boolean {
    return this.#watchers.size >= this.#maxWatchers;
  }

  /** Sends a response all events from now on. Its headers must have been sent. */
  add(response: ServerResponse): void {
    this.#watchers.add(response);
    response.on('close', () => this.#watchers.delete(response));
    response.on('error', () => this.#watchers.delete(response));
    response.write('retry: 3000\n\n');
  }

  /** Sends an event; its data is only made if a client is watching. */
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
      if (watcher.writableLength > MAX_BEHIND) watcher.destroy();
      else watcher.write(text);
    }
  }
}
