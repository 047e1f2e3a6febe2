// `tft doctor`: shows which backends this machine can run, and why it cannot run the others.
import { cpus, freemem, totalmem } from 'node:os';
import { Command } from 'commander';
import { engineFolder, type LibrarySurvey, listCache, surveyLibraries } from '../entries/build.js';
import {
  type BackendName,
  emptyInputs,
  LOCAL_BACKENDS,
  loadModel,
  type ModelDescription,
  TFTEngine,
  TFTError,
} from '../index.js';
import type { Console, Paint } from './console.js';
import { FAILED, OK } from './exit-codes.js';
import { formatBytes } from './present/bytes.js';
import { describeEngine } from './present/engine-line.js';
import { modelOption } from './shared-options.js';

interface Finding {
  readonly name: string;
  /** undefined for a fact that is neither good nor bad. */
  readonly ok?: boolean;
  readonly found: string;
}

interface Diagnosis {
  readonly machine: readonly Finding[];
  /** Each library file that was tried for TensorRT, in order. */
  readonly libraries: readonly Finding[];
  readonly backends: readonly (Finding & { readonly milliseconds?: number })[];
  readonly works: boolean;
}

const GIB = 2 ** 30;

const EXAMPLES = `
Examples:
  $ tft doctor
  $ tft doctor --json | jq .backends

Exit status: 0 when at least one backend makes a forecast here, else 1.`;

export function doctorCommand(console: Console, exit: (status: number) => void): Command {
  return new Command('doctor')
    .summary('show what this machine can run, and why not the rest')
    .description('Shows which backends this machine can run, and why it cannot run the others.')
    .addOption(modelOption())
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: { model: string; json?: boolean }) => {
      const diagnosis = await examine(options.model);
      const { out } = console;
      await out.write(
        options.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : describe(diagnosis, out.paint),
      );
      exit(diagnosis.works ? OK : FAILED);
    });
}

async function examine(bundle: string): Promise<Diagnosis> {
  const survey = await surveyLibraries();
  const { onnxRuntime, addon, libTorch, nvidia } = survey;
  const machine: Finding[] = [
    node(),
    processor(),
    memory(),
    found('ONNX Runtime', onnxRuntime, ({ version, directory }) => `${version}, ${directory}`),
    found('native addon', addon, (file) => file),
    libTorch === undefined
      ? { name: 'LibTorch', found: "not here; 'npm run build:libtorch' builds what runs it" }
      : found('LibTorch', libTorch, ({ version, path }) => `${version}, ${path}`),
    await engineCache(),
  ];
  let libraries: Finding[] = [];
  if (nvidia) {
    machine.push(...gpuSoftware(nvidia));
    libraries = nvidia.attempts.map(({ path, source, taken, problem }) => ({
      name: path,
      ok: taken,
      found: taken ? `taken (${source})` : `${problem} (${source})`,
    }));
  } else {
    machine.push({ name: 'CUDA driver', found: 'not looked for: the native addon is needed for that' });
  }
  let model: ModelDescription;
  try {
    model = await loadModel(bundle);
    machine.push({ name: 'model', ok: true, found: `${model.name}, ${model.directory}` });
  } catch (error) {
    machine.push({ name: 'model', ok: false, found: reasonOf(error) });
    return { machine, libraries, backends: [], works: false };
  }
  const backends = [];
  const obstacle = obstacleOf(survey);
  for (const name of LOCAL_BACKENDS) {
    const isBlocked = name === 'tensorrt' && obstacle !== undefined;
    backends.push(isBlocked ? { name, ok: false, found: obstacle } : await tryBackend(name, bundle, model));
  }
  return { machine, libraries, backends, works: backends.some(({ ok }) => ok) };
}

/** The first problem that prevents TensorRT from running here, and what to do. Problems of a single engine come after these. */
function obstacleOf({ addon, nvidia }: LibrarySurvey): string | undefined {
  if (addon instanceof TFTError) return reasonOf(addon);
  if (nvidia === undefined) return undefined;
  if (nvidia.cudaPath === '') {
    return "there is no NVIDIA driver (libcuda.so.1): install it, or start the container with '--gpus all'";
  }
  if (nvidia.devices.length === 0) {
    return "the driver sees no GPU: 'nvidia-smi' must list one; a container needs '--gpus all'";
  }
  if (nvidia.tensorrtPath === '') {
    return "there is no TensorRT (libnvinfer): 'pip install tensorrt-cu13', or set TENSORRT_ROOT to where it is";
  }
  return undefined;
}

/** Loads the model on a backend and makes a forecast, because nothing less shows that the backend works. */
async function tryBackend(
  backend: BackendName,
  bundle: string,
  model: ModelDescription,
): Promise<Diagnosis['backends'][number]> {
  try {
    // Nothing is built, since a build may take minutes.
    await using engine = await TFTEngine.load(bundle, { backend, build: false });
    const inputs = emptyInputs(model, 1);
    await engine.predict(inputs);
    const begin = performance.now();
    await engine.predict(inputs);
    const milliseconds = performance.now() - begin;
    const found = `${describeEngine(engine.info)}; a forecast takes ${milliseconds.toFixed(1)} ms`;
    return { name: backend, ok: true, found, milliseconds };
  } catch (error) {
    return { name: backend, ok: false, found: reasonOf(error) };
  }
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 17);
  return { name: 'node', ok, found: `${process.version}${ok ? '' : '; 20.17 or later is needed'}` };
}

function processor(): Finding {
  const all = cpus();
  return { name: 'processor', found: `${all[0]?.model.trim() ?? process.arch}, ${all.length} cores` };
}

function memory(): Finding {
  const write = (bytes: number) => (bytes / GIB).toFixed(1);
  return { name: 'memory', found: `${write(totalmem())} GiB, ${write(freemem())} free` };
}

function found<T>(name: string, result: T | TFTError, describe: (result: T) => string): Finding {
  return result instanceof TFTError
    ? { name, ok: false, found: reasonOf(result) }
    : { name, ok: true, found: describe(result) };
}

/** NVIDIA's software and GPUs. That they are missing is not an error. */
function gpuSoftware(report: NonNullable<LibrarySurvey['nvidia']>): Finding[] {
  const { cudaPath, cudaVersion, devices, tensorrtPath, tensorrtVersion, lean, rtx, parserPath } = report;
  const cuda = `CUDA ${Math.floor(cudaVersion / 1000)}.${Math.floor((cudaVersion % 1000) / 10)}`;
  const absent = (what: string) => `not found (${what}): no NVIDIA GPU can be used here`;
  return [
    cudaPath === ''
      ? { name: 'CUDA driver', found: absent('libcuda.so.1') }
      : {
          name: 'CUDA driver',
          ok: true,
          found: `${cudaPath}, ${cuda}${report.driverVersion === undefined ? '' : `, driver ${report.driverVersion}`}`,
        },
    ...devices.map(({ index, name, computeCapability, memoryBytes }) => ({
      name: `GPU ${index}`,
      ok: true,
      found: `${name}, compute capability ${computeCapability}, ${(memoryBytes / GIB).toFixed(1)} GiB`,
    })),
    tensorrtPath === ''
      ? {
          name: 'TensorRT',
          found:
            'not found (libnvinfer); set TENSORRT_ROOT or install tensorrt-cu13 with pip; for GeForce RTX cards, or to ' +
            'build for them without one: pip install tensorrt-rtx-cu13',
        }
      : {
          name: 'TensorRT',
          ok: true,
          found: `${rtx ? 'for RTX ' : ''}${tensorrtVersion}${lean ? ' (lean: runs plans, builds none)' : ''}, ${tensorrtPath}`,
        },
    ...(report.warning === '' ? [] : [{ name: 'warning', found: report.warning }]),
    ...(parserPath === '' ? [] : [{ name: 'ONNX parser', ok: true, found: parserPath }]),
    ...(report.problem
      ? [{ name: 'problem', found: `${report.problem.message} (${report.problem.code})` }]
      : []),
  ];
}

async function engineCache(): Promise<Finding> {
  const name = 'engine cache';
  let folder: string;
  try {
    folder = engineFolder();
  } catch (error) {
    return { name, found: reasonOf(error) };
  }
  const entries = await listCache(folder).catch(() => []);
  const engines = entries.filter(({ kind }) => kind === 'engine').length;
  const size = formatBytes(entries.reduce((sum, { bytes }) => sum + bytes, 0));
  return { name, found: `${folder}, ${engines} engine${engines === 1 ? '' : 's'}, ${size}` };
}

function reasonOf(error: unknown): string {
  if (error instanceof TFTError) return `${error.message} (${error.code})`;
  return error instanceof Error ? error.message : String(error);
}

function describe({ machine, libraries, backends, works }: Diagnosis, paint: Paint): string {
  const widthOf = (findings: readonly Finding[]) => Math.max(...findings.map(({ name }) => name.length)) + 2;
  const width = widthOf([...machine, ...backends]);
  const mark = (ok: boolean | undefined) =>
    ok === undefined ? ' ' : ok ? paint('green', '✓') : paint('red', '✗');
  const lines = (findings: readonly Finding[], column = width) =>
    findings.map(({ name, ok, found }) => `  ${mark(ok)} ${name.padEnd(column)}${found}`);
  return [
    paint('bold', 'This machine'),
    ...lines(machine),
    '',
    ...(libraries.length === 0
      ? []
      : [paint('bold', 'Libraries tried for TensorRT'), ...lines(libraries, widthOf(libraries)), '']),
    paint('bold', 'Backends'),
    ...(backends.length === 0 ? ['    none was tried: there is no model to try them with'] : lines(backends)),
    '',
    works ? 'Forecasts can be made here.' : paint('red', 'No forecast can be made here.'),
    '',
  ].join('\n');
}
