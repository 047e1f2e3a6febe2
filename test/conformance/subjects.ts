// What the conformance suite runs against: each backend, and each server behind the backend 'kserve'. A subject says where
// it rightly differs from the others; the suite asserts that it differs there and nowhere else.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findOnnxRuntime } from '../../src/backends/onnxruntime/library.js';
import { precisionOf } from '../../src/builder/plan-file.js';
import { type BackendName, type ForecastInputs, type LoadOptions, TFTEngine } from '../../src/index.js';
import { makeLog, readConfig, Service, type ServiceConfig } from '../../src/service/index.js';
import { bundles, tinyAnswer } from '../fixtures/bundles.js';
import { DEMO } from '../fixtures/demo-samples.js';
import * as doubles from '../fixtures/doubles.js';
import { grpcServerOf } from '../fixtures/grpc-server.js';
import { heldWhile, holdByFile } from '../fixtures/held-file.js';
import { holdRuns } from '../fixtures/held-runs.js';
import { IN_WORKERS, whyNotInTheAddon } from '../fixtures/native-onnxruntime.js';
import * as torchscript from '../fixtures/torchscript.js';
import { CppService, heldLibrary, realLibrary, whyNoCppServer } from '../service/cpp-server.js';

// The doubles, and the libraries that hold runs, read it from this process's environment.
process.env.TFT_HELD_WHILE = heldWhile();

/** The models: `tiny` computes what a test can compute too; `demo` has forecasts that PyTorch made. */
export type Model = 'tiny' | 'demo';

export interface Subject {
  readonly name: string;
  /** Why it cannot run here; undefined when it can. */
  readonly missing: string | undefined;
  readonly backend: BackendName;
  /**
   * How far its forecasts of the demo model may be from PyTorch's, as a share of the spread. Undefined where no network is
   * computed, and the model is not there.
   */
  readonly tolerance: number | undefined;
  /** Starts what the engines need. @returns what loads them, one run at a time, and what stops it all. */
  start(): Promise<Started>;
  /** What it forecasts with the model `tiny`, to the last bit. */
  answer(inputs: ForecastInputs): Float32Array;
  /** From now on no run begins. @returns a function that releases them. Undefined where a test cannot hold runs. */
  readonly hold?: () => () => void;
  /** Whether it offers `predictSync`. */
  readonly isSync: boolean;
  /** Whether `borrow` lends: engine threads read and check the inputs when the request runs. Otherwise they are copied as ever. */
  readonly lends: boolean;
  /** Whether a warm-up is counted as requests; otherwise the engine does what they would, and counts nothing. */
  readonly countsWarmup: boolean;
  /** Whether a deadline is for the answer; otherwise for the beginning of the run. */
  readonly deadlineEnds: 'waiting' | 'the request';
}

export interface Started {
  load(model: Model, options?: LoadOptions): Promise<TFTEngine>;
  stop(): Promise<void>;
}

const ONE_RUN = { threads: 1 } as const;
const nothing = async () => {};

/** The limit of the bundle's own model.json: docs/export.md. */
const OF_THE_BUNDLE = 1e-4;

/** On a CPU, where 3.7e-6 was measured: docs/libtorch.md. */
const OF_LIBTORCH = 1e-5;

function holdHere(): () => void {
  const held = holdRuns();
  return () => held.release();
}

/** A machine that measures a GPU may have no ONNX Runtime. */
function whyNoOnnxRuntime(): string | undefined {
  try {
    findOnnxRuntime();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const onnxruntime: Subject = {
  name: 'onnxruntime in worker threads',
  missing: whyNoOnnxRuntime(),
  backend: 'onnxruntime',
  tolerance: OF_THE_BUNDLE,
  async start() {
    const paths = { tiny: bundles.tiny, demo: DEMO };
    const load: Started['load'] = (model, options) =>
      TFTEngine.load(paths[model], {
        backend: 'onnxruntime',
        // Holding, here, is of worker threads.
        ...IN_WORKERS,
        ...ONE_RUN,
        ...options,
      });
    return { load, stop: nothing };
  },
  answer: tinyAnswer,
  hold: holdHere,
  isSync: false,
  lends: false,
  countsWarmup: true,
  deadlineEnds: 'waiting',
};

function whyNoNativeOnnxRuntime(): string | undefined {
  if (!existsSync(heldLibrary)) return `${heldLibrary} is missing (scripts/build-server --test)`;
  return whyNotInTheAddon() ?? whyNoOnnxRuntime();
}

const onnxruntimeInTheAddon: Subject = {
  ...onnxruntime,
  name: 'onnxruntime in the addon',
  missing: whyNoNativeOnnxRuntime(),
  async start() {
    const paths = { tiny: bundles.tiny, demo: DEMO };
    const load: Started['load'] = (model, options) => {
      process.env.TFT_HELD_ONNXRUNTIME = realLibrary();
      return TFTEngine.load(paths[model], {
        backend: 'onnxruntime',
        onnxruntime: { native: true, library: heldLibrary },
        ...ONE_RUN,
        ...options,
      });
    };
    return { load, stop: nothing };
  },
  hold: holdByFile,
  isSync: true,
  lends: true,
  countsWarmup: false,
};

/** @param modules also `demo`'s, if the library computes a network. */
function libtorch(name: string, library: string, modules: Partial<Record<Model, Buffer>>): Subject {
  return {
    name,
    missing:
      torchscript.whatIsMissing(library) ??
      (existsSync(torchscript.heldLibTorch) ? undefined : 'the doubles are not built (npm run test:native)'),
    backend: 'libtorch',
    tolerance: modules.demo && OF_LIBTORCH,
    async start() {
      const made = Object.entries(modules).map(
        ([model, content]) => [model, torchscript.bundleWithModule(model as Model, content)] as const,
      );
      const folders = Object.fromEntries(made.map(([model, { folder }]) => [model, folder]));
      return {
        load(model, options) {
          process.env.TFT_HELD_LIBTORCH = library;
          return TFTEngine.load(folders[model] as string, {
            backend: 'libtorch',
            libtorch: { library: torchscript.heldLibTorch },
            ...ONE_RUN,
            ...options,
          });
        },
        async stop() {
          for (const [, { remove }] of made) remove();
        },
      };
    },
    answer: library === torchscript.libTorch ? tinyAnswer : (inputs) => doubles.doubleAnswer(inputs),
    hold: holdByFile,
    isSync: true,
    lends: true,
    countsWarmup: false,
    deadlineEnds: 'waiting',
  };
}

/** A server, and how it is started with a model. */
function kserve(
  name: string,
  missing: string | undefined,
  hold: () => () => void,
  serve: (settings: ServerSettings) => Promise<Served>,
): Subject {
  return {
    name,
    missing,
    backend: 'kserve',
    tolerance: OF_THE_BUNDLE,
    async start() {
      const paths = { tiny: bundles.tiny, demo: DEMO };
      const servers: Partial<Record<Model, Served>> = {};
      return {
        async load(model, { threads: connections = 1, ...options } = {}) {
          servers[model] ??= await serve({ model: paths[model] });
          const address = `${servers[model].address.replace('http', 'kserve')}/${model}`;
          return TFTEngine.load(address, { bundle: paths[model], remote: { connections }, ...options });
        },
        async stop() {
          await Promise.all(Object.values(servers).map((server) => server.stop()));
        },
      };
    },
    answer: tinyAnswer,
    hold,
    isSync: false,
    lends: false,
    countsWarmup: true,
    deadlineEnds: 'the request',
  };
}

/** The settings that the suite uses, of both servers. */
type ServerSettings = Pick<ServiceConfig, 'model'> &
  Partial<Pick<ServiceConfig, 'maxBatch' | 'queueLimit' | 'maxWaitMs' | 'backend' | 'onnxruntime'>>;

export interface Served {
  readonly address: string;
  stop(): Promise<unknown>;
}

export async function serveByNode(settings: ServerSettings): Promise<Served> {
  const config = readConfig({ defaults: { port: 0, threads: 1, ...settings } });
  const service = await Service.start(config, makeLog('silent'));
  await service.loaded;
  return service;
}

export async function serveByCpp(settings: ServerSettings): Promise<Served> {
  const service = await CppService.start({ port: 0, threads: 1, logLevel: 'info', ...settings }, []);
  await service.loaded;
  return service;
}

/** No server of this package speaks gRPC: this is one of the tests', with an engine behind it. */
async function serveByGrpc({ model }: ServerSettings): Promise<Served> {
  const engine = await TFTEngine.load(model, { backend: 'onnxruntime', ...IN_WORKERS, ...ONE_RUN });
  const { port, stop } = await grpcServerOf(engine);
  return {
    address: `kserve+grpc://127.0.0.1:${port}`,
    async stop() {
      stop();
      await engine.close();
    },
  };
}

const tensorrtOnDoubles: Subject = {
  name: 'tensorrt on the doubles',
  missing: doubles.whatIsMissing(),
  backend: 'tensorrt',
  tolerance: undefined,
  async start() {
    const bundle = doubles.bundleWithPlan();
    return {
      load: (_, { threads: lanes = 1, ...options } = {}) =>
        TFTEngine.load(bundle.folder, {
          backend: 'tensorrt',
          tensorrt: doubles.onDoubles(10, { lanes }),
          ...options,
        }),
      async stop() {
        bundle.remove();
      },
    };
  },
  answer: (inputs) => doubles.doubleAnswer(inputs),
  hold: holdByFile,
  isSync: true,
  lends: true,
  countsWarmup: false,
  deadlineEnds: 'waiting',
};

const gpuPlan = process.env.TFT_GPU_PLAN;

/** Real TensorRT: the plan of the demo model that TFT_GPU_PLAN names, and one of the model `tiny` that is built. */
const tensorrtOnGpu: Subject = {
  name: 'tensorrt on a GPU',
  missing: gpuPlan === undefined ? 'TFT_GPU_PLAN names no plan of the demo model' : undefined,
  backend: 'tensorrt',
  // As in test/gpu: half precision rounds at 2^-11.
  tolerance: ['fp32', undefined].includes(precisionOf(gpuPlan ?? '')) ? OF_THE_BUNDLE : 0.02,
  async start() {
    const cache = mkdtempSync(join(tmpdir(), 'tft-conformance-'));
    const paths = { tiny: bundles.tiny, demo: gpuPlan as string };
    return {
      load: (model, { threads: lanes = 1, ...options } = {}) =>
        TFTEngine.load(paths[model], { backend: 'tensorrt', cache, tensorrt: { lanes }, ...options }),
      async stop() {
        rmSync(cache, { recursive: true });
      },
    };
  },
  answer: tinyAnswer,
  isSync: true,
  lends: true,
  countsWarmup: false,
  deadlineEnds: 'waiting',
};

const DOUBLE = Buffer.from('tft-double-module\n');

export const subjects: readonly Subject[] = [
  onnxruntime,
  onnxruntimeInTheAddon,
  libtorch('libtorch', torchscript.libTorch, {
    tiny: torchscript.moduleOf('tiny'),
    demo: torchscript.moduleOf('demo'),
  }),
  libtorch('libtorch on its double', torchscript.libTorchDouble, { tiny: DOUBLE }),
  kserve('kserve, a service of Node', whyNoOnnxRuntime(), holdHere, (settings) =>
    serveByNode({ ...settings, ...IN_WORKERS }),
  ),
  kserve('kserve, a service of Node with the addon', whyNoNativeOnnxRuntime(), holdByFile, (settings) => {
    process.env.TFT_HELD_ONNXRUNTIME = realLibrary();
    const onnxruntime = { native: true, library: heldLibrary };
    return serveByNode({ ...settings, backend: 'onnxruntime', onnxruntime });
  }),
  kserve('kserve, tft-server', whyNoCppServer, holdByFile, serveByCpp),
  kserve('kserve by gRPC, a server of the tests', whyNoOnnxRuntime(), holdHere, serveByGrpc),
  tensorrtOnDoubles,
  tensorrtOnGpu,
];
