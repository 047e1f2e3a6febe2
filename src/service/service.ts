// The service's life cycle: it listens, loads its model, reloads it, and stops without losing a request.

import { chmodSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import type { FastifyInstance } from 'fastify';
import { TFTError } from '../contract/errors.js';
import { ByteBudget } from './admission/budget.js';
import { Pressure } from './admission/pressure.js';
import { RefusalPace } from './admission/refusal-pace.js';
import { makeApp } from './app.js';
import type { ServiceConfig } from './config/schema.js';
import type { ServiceExtension } from './extension.js';
import { Access } from './http/access.js';
import { BodyMemory } from './http/body-memory.js';
import { Connections } from './http/connections.js';
import { clearSocket, renewCertificates } from './http/listener.js';
import { ModelHost } from './model-host.js';
import { droppedLines, type ServiceLog } from './observe/logging.js';
import { Metrics } from './observe/metrics.js';
import { makeTracing } from './observe/tracing.js';
import { TrafficSample } from './observe/traffic-sample.js';

/** The memory that is kept for the bodies of later requests, in bytes. */
const KEPT_BODY_BYTES = 16 * 1024 * 1024;

/** A running service. */
export class Service {
  readonly #config: ServiceConfig;
  readonly #log: ServiceLog;
  readonly #app: FastifyInstance;
  readonly #host: ModelHost;
  readonly #access: Access;
  readonly #connections = new Connections();
  readonly #metrics: Metrics;
  readonly #sample: TrafficSample;
  readonly #extensions: readonly ServiceExtension[];
  #loaded: Promise<void> = Promise.resolve();
  #stopped: Promise<boolean> | undefined;

  private constructor(config: ServiceConfig, log: ServiceLog, extensions: readonly ServiceExtension[]) {
    this.#config = config;
    this.#log = log;
    this.#extensions = extensions;
    this.#access = new Access(config);
    this.#sample = new TrafficSample(config);
    const budget = new ByteBudget(config.maxBytesInFlight);
    const connections = this.#connections;
    this.#metrics = new Metrics(
      () => this.#host,
      budget,
      connections,
      () => droppedLines(log),
    );
    this.#host = new ModelHost(config, log, {
      gone: (model, counters) => this.#metrics.engine.keep(model, counters),
    });
    const pressure = new Pressure(config.maxWaitMs);
    const pace = new RefusalPace();
    const parts = {
      config,
      connections,
      host: this.#host,
      budget,
      memory: new BodyMemory(KEPT_BODY_BYTES),
      pressure,
      pace,
      metrics: this.#metrics,
      tracing: makeTracing(),
      sample: this.#sample,
    };
    this.#app = makeApp(parts, this.#access, log, extensions);
    this.#app.server.on('connection', () => pace.arrived());
  }

  /**
   * Listens immediately and loads the model in the background: see `loaded`.
   *
   * @param extensions what else is served.
   * @throws TFTError ERR_TFT_FILE; ERR_TFT_OPTION, also if the address cannot be listened on.
   */
  static async start(
    config: ServiceConfig,
    log: ServiceLog,
    extensions: readonly ServiceExtension[] = [],
  ): Promise<Service> {
    const service = new Service(config, log, extensions);
    await service.#listen();
    service.#loaded = service.#host.load().then(() => {});
    // Otherwise a failure to load would be an unhandled rejection in programs that do not await `loaded`.
    service.#loaded.catch(() => {});
    return service;
  }

  /** Resolves when the first model has been loaded; rejects if it cannot be. */
  get loaded(): Promise<void> {
    return this.#loaded;
  }

  /** The address that it listens on: `http://127.0.0.1:8000`, or the socket's path. */
  get address(): string {
    const { socket, tlsCert } = this.#config;
    if (socket !== undefined) return socket;
    const { address, port, family } = this.#app.server.address() as AddressInfo;
    const host = family === 'IPv6' ? `[${address}]` : address;
    return `http${tlsCert === undefined ? '' : 's'}://${host}:${port}`;
  }

  /** The number of open connections. */
  get connections(): number {
    return this.#connections.count;
  }

  /**
   * Loads the model from its path again, and reads keys and certificates again. Each independently: if one cannot be read,
   * the others are still renewed.
   *
   * @throws as their readers, the first of them; the log has all.
   */
  async reload(): Promise<void> {
    const outcomes = await Promise.allSettled([
      (async () => this.#access.reload())(),
      (async () => renewCertificates(this.#app.server, this.#config))(),
      this.#host.load(),
    ]);
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
    for (const { reason } of failures)
      this.#log.error({ err: reason as Error }, 'a part could not be reloaded');
    if (failures[0]) throw failures[0].reason;
  }

  /**
   * Stops: ends readiness, refuses new connections, and finishes requests within `stopTimeoutMs`. It may be called more than
   * once.
   *
   * @returns whether all requests finished in time.
   */
  stop(): Promise<boolean> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #listen(): Promise<void> {
    const { host, port, socket, maxConnections } = this.#config;
    await this.#app.ready();
    try {
      if (socket !== undefined) await clearSocket(socket);
      // The system drops connections that this queue cannot hold, and clients retry only after seconds.
      const backlog = maxConnections;
      if (socket === undefined) await this.#app.listen({ host, port, backlog });
      else await this.#listenPrivately(socket, backlog);
    } catch (cause) {
      // It may listen already, on a socket whose mode could not be set; then the process would never end.
      await this.#app.close();
      this.#metrics.close();
      if (cause instanceof TFTError) throw cause;
      const where = socket === undefined ? `host and port: ${host}:${port}` : `socket: ${socket}`;
      const { message } = cause as Error;
      throw new TFTError('ERR_TFT_OPTION', `${where} cannot be listened on: ${message}`, { cause });
    }
    this.#log.info({ address: this.address }, 'listening');
  }

  /** Creates the socket so that it is never open to everyone, not even between its creation and chmod. */
  async #listenPrivately(path: string, backlog: number): Promise<void> {
    const mode = Number.parseInt(this.#config.socketMode, 8);
    const before = isMainThread ? process.umask(0o777 & ~mode) : undefined;
    try {
      await this.#app.listen({ path, backlog });
    } finally {
      if (before !== undefined) process.umask(before);
    }
    chmodSync(path, mode);
  }

  async #notify(end: (() => Promise<void>) | undefined): Promise<void> {
    try {
      await end?.();
    } catch (error) {
      this.#log.error({ err: error }, 'an extension could not be stopped');
    }
  }

  async #stop(): Promise<boolean> {
    const { drainDelayMs, stopTimeoutMs } = this.#config;
    this.#log.info('stopping: requests are finished');
    this.#host.stopping();
    await delay(drainDelayMs);
    for (const extension of this.#extensions) await this.#notify(extension.stop?.bind(extension));
    const given = new AbortController();
    this.#connections.end();
    const drained = this.#app.close().then(() => this.#host.close());
    const timeout = delay(stopTimeoutMs, 'late' as const, { signal: given.signal }).catch(() => undefined);
    const late = (await Promise.race([drained, timeout])) === 'late';
    given.abort();
    if (late) {
      this.#log.warn(`not all requests finished within ${stopTimeoutMs} ms; the rest is cut off`);
      this.#connections.destroy();
    }
    for (const extension of this.#extensions) await this.#notify(extension.close?.bind(extension));
    await this.#sample.write(this.#log);
    this.#metrics.close();
    this.#log.info('stopped');
    return !late;
  }
}
