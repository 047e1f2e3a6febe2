// Starts the service inside the test, on a free port, and speaks to it. With TFT_SERVER=cpp it is the server in C++, in a
// process of its own.
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { type RequestOptions as HttpsRequestOptions, request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import type { ForecastInputs } from '../../src/index.js';
import { makeLog, readConfig, Service, type ServiceConfig } from '../../src/service/index.js';
import { bundles } from '../fixtures/bundles.js';
import { CppService, isCpp } from './cpp-server.js';

export type Overrides = { [K in keyof ServiceConfig]?: ServiceConfig[K] | undefined };

/** Lines of the log, parsed. */
export type LogLines = Record<string, unknown>[];

export interface Running {
  readonly service: Pick<Service, 'address' | 'connections' | 'loaded' | 'reload' | 'stop'>;
  readonly url: string;
  readonly config: ServiceConfig;
  readonly log: LogLines;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A last resort, on a busy machine. */
const PATIENCE_MS = 200_000;

/** A service with the bundle `tiny` by default, its model loaded. */
export async function running(overrides: Overrides = {}, wait = true): Promise<Running> {
  const config = readConfig({
    defaults: { model: bundles.tiny, port: 0, ...overrides } as Partial<ServiceConfig>,
  });
  const log: LogLines = [];
  const before = handles();
  const service = isCpp
    ? await CppService.start({ model: bundles.tiny, port: 0, ...overrides }, log)
    : await Service.start(
        config,
        makeLog('debug', { write: (line) => log.push(JSON.parse(line) as LogLines[number]) }),
      );
  if (wait) await service.loaded;
  const url = service.address;
  return {
    service,
    url,
    config,
    log,
    async [Symbol.asyncDispose]() {
      await comeToRest(url, config);
      await service.stop();
      await handlesGone(before);
    },
  };
}

/** The counters of requests in progress, which must be zero when there are none. */
const AT_REST = ['tft_http_in_flight_bytes', 'tft_queue_servers', 'tft_running_batches'];

/**
 * Nothing is left of any request: no bytes, no place in the queue, no connection but the one that asks. A service that
 * was stopped cannot be asked; what it leaves are handles.
 */
export async function comeToRest(
  address: string,
  { apiKeys, adminKeys, apiKeysFile, adminKeysFile }: Partial<ServiceConfig> = {},
): Promise<void> {
  const fromFiles = [apiKeysFile, adminKeysFile].flatMap((file) =>
    file === undefined ? [] : readFileSync(file, 'utf8').split('\n'),
  );
  const [key] = [...(apiKeys ?? []), ...(adminKeys ?? []), ...fromFiles];
  const isSocket = !address.startsWith('http');
  const url = `${isSocket ? 'http://localhost' : address}/metrics`;
  const options = {
    headers: key === undefined ? {} : { 'x-api-key': key },
    ...(isSocket ? { socketPath: address } : {}),
  };
  const patience = performance.now() + PATIENCE_MS;
  let found: Record<string, number> = {};
  while (performance.now() < patience) {
    const answer = await ask(url, options).catch(() => undefined);
    // Stopped, or its keys have been changed since.
    if (answer === undefined || (answer.status === 401 && fromFiles.length > 0)) return;
    expect(answer.status, answer.bytes.toString()).toBe(200);
    const value = (name: string) =>
      Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(answer.bytes.toString())?.[1] ?? Number.NaN);
    found = Object.fromEntries(AT_REST.map((name) => [name, value(name)]));
    // The one that asks.
    found.tft_http_connections = value('tft_http_connections') - 1;
    if (Object.values(found).every((count) => count === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(found).toEqual(Object.fromEntries(Object.keys(found).map((name) => [name, 0])));
}

/** How many of each kind of handle keep this process alive. */
export function handles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** After the stop nothing of the service is left: no listener, connection, child process, thread or timer. */
export async function handlesGone(before: ReadonlyMap<string, number>): Promise<void> {
  const left = () =>
    [...handles()].filter(
      ([kind, count]) =>
        /Server|Socket|Process|Pipe|Message|Timeout/.test(kind) && count > (before.get(kind) ?? 0),
    );
  const patience = performance.now() + PATIENCE_MS;
  while (left().length > 0 && performance.now() < patience) {
    // No timer: it would be counted.
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(left()).toEqual([]);
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly bytes: Buffer;
  /** The body as JSON; undefined where it is none. */
  readonly json: Record<string, unknown> | undefined;
}

/** A request by Node's own client, which adds no header and unpacks nothing. */
export function ask(
  url: string,
  options: HttpsRequestOptions & { body?: string | Buffer | undefined } = {},
): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    // The certificates of tests are their own.
    const outgoing = send(url, { method, agent: false, rejectUnauthorized: false, ...rest }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const bytes = Buffer.concat(chunks);
        let json: Answer['json'];
        try {
          json = JSON.parse(bytes.toString()) as Answer['json'];
        } catch {
          // Not JSON.
        }
        resolve({
          status: answer.statusCode ?? 0,
          headers: answer.headers as Answer['headers'],
          bytes,
          json,
        });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Sends bytes as they are and resolves with all that comes back until the end of the connection. */
export function askRaw(url: string, text: string | Buffer, end = false): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket: Socket = connect(Number(port), hostname, () => {
      if (end) socket.end(text);
      else socket.write(text);
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

const NAMES = {
  encoder_cont: 'encoderCont',
  encoder_cat: 'encoderCat',
  decoder_cont: 'decoderCont',
  decoder_cat: 'decoderCat',
} as const;
/** Shapes of tiny, without the batch. */
const SHAPES = {
  encoder_cont: [6, 3],
  encoder_cat: [6, 2],
  decoder_cont: [4, 2],
  decoder_cat: [4, 2],
} as const;
type Name = keyof typeof NAMES;
const ORDER = Object.keys(NAMES) as Name[];

/** The body of POST /predict, flat. */
export function predictBody(inputs: ForecastInputs): Record<string, number[]> {
  return Object.fromEntries(ORDER.map((name) => [name, Array.from<number>(inputs[NAMES[name]])]));
}

/** Rows, each with this many values. */
export function nest<T>(flat: readonly T[], width: number): T[][] {
  return Array.from({ length: flat.length / width }, (_, row) => flat.slice(row * width, (row + 1) * width));
}

/** The JSON of a KServe request with the numbers in it. */
export function inferJson(inputs: ForecastInputs, more: object = {}): string {
  const servers = inputs.encoderCont.length / 18;
  const list = ORDER.map((name) => ({
    name,
    shape: [servers, ...SHAPES[name]],
    datatype: name.endsWith('cat') ? 'INT32' : 'FP32',
    data: Array.from<number>(inputs[NAMES[name]]),
  }));
  return JSON.stringify({ ...more, inputs: list });
}

export interface Binary {
  readonly body: Buffer;
  readonly headers: Record<string, string>;
}

/** A KServe request with binary tensors; `pad` adds spaces to the JSON, and so moves the tensors in memory. */
export function inferBinary(inputs: ForecastInputs, more: object = {}, pad = 0): Binary {
  const servers = inputs.encoderCont.length / 18;
  const list = ORDER.map((name) => ({
    name,
    shape: [servers, ...SHAPES[name]],
    datatype: name.endsWith('cat') ? 'INT32' : 'FP32',
    parameters: { binary_data_size: inputs[NAMES[name]].byteLength },
  }));
  const json = Buffer.from(JSON.stringify({ ...more, inputs: list }) + ' '.repeat(pad));
  const tensors = ORDER.map((name) => {
    const { buffer, byteOffset, byteLength } = inputs[NAMES[name]];
    return Buffer.from(buffer, byteOffset, byteLength);
  });
  return {
    body: Buffer.concat([json, ...tensors]),
    headers: { 'inference-header-content-length': String(json.length) },
  };
}

/** The float32 values behind the JSON of a binary answer. */
export function binaryPredictions({ bytes, headers }: Answer): Float32Array {
  const start = Number(headers['inference-header-content-length']);
  return new Float32Array(new Uint8Array(bytes.subarray(start)).buffer);
}

/** Waits until something is so. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The numbers of the first output of a KServe answer in JSON. */
export function outputData({ json }: Answer): number[] | undefined {
  return (json as { outputs?: { data: number[] }[] } | undefined)?.outputs?.[0]?.data;
}
