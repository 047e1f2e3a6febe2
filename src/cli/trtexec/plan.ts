// The plan that `tft trtexec` measures: the one of --loadEngine, or one that is built from --onnx and saved to --saveEngine.
// As with TensorRT's trtexec it is built every time: the engine cache is not used.
import { resolve } from 'node:path';
import {
  type BuildableModel,
  completeBuildOptions,
  type EngineReport,
  inspectEngine,
  obtainEngine,
  type Profile,
  precisionOfOnnx,
  readBuildable,
  writePlan,
} from '../../entries/build.js';
import { type Precision, TFTError } from '../../index.js';
import { formatBytes } from '../present/bytes.js';
import type { TrtexecOptions } from './options.js';
import type { TrtexecRun } from './run.js';
import { batchOf, type ShapedModel } from './shapes.js';

/** A plan that can be measured, until it is released. */
export interface PlanAtHand {
  readonly path: string;
  /** The batch to run. @throws TFTError ERR_TFT_OPTION for one that the plan was not built for. */
  batch(): Promise<number>;
  inspect(): Promise<EngineReport>;
  release(): Promise<void>;
}

/** @throws TFTError as building and inspecting do. */
export async function planToMeasure(run: TrtexecRun): Promise<PlanAtHand> {
  const { options } = run;
  return options.loadEngine === undefined ? build(run) : load(resolve(options.loadEngine), options);
}

async function build({ options, console, signal, bar }: TrtexecRun): Promise<PlanAtHand> {
  const model = await readBuildable(options.onnx as string, false);
  const profile = profileOf(options, model);
  // Checked before building, which takes minutes.
  const asked = options.shapes === undefined ? profile.opt : batchOf('shapes', options.shapes, model);
  checkBatch(asked, [profile]);
  const precision = precisionFor(options, model);
  const engine = await obtainEngine(
    {
      model,
      precision,
      verifyHash: false,
      build: {
        profiles: [profile],
        workspaceBytes: options.memPoolSize ?? options.workspace,
        optimizationLevel: options.builderOptimizationLevel,
        versionCompatible: options.versionCompatible,
        hardwareCompatibility: options.hardwareCompatibilityLevel,
        kernels: !options.noKernels,
      },
      tensorrt: { devices: [options.device ?? 0] },
      cache: false,
      // What is measured is speed; 'tft verify' says whether it is right.
      check: false,
      log: bar.log,
      signal,
      onProgress: bar.onProgress,
    },
    { timingCacheFile: options.timingCacheFile },
  ).finally(bar.stop);
  const { path, record, release } = engine;
  try {
    if (options.saveEngine !== undefined) await writePlan(engine, resolve(options.saveEngine));
  } catch (error) {
    await release();
    throw error;
  }
  const kept = options.saveEngine === undefined ? '' : `, ${options.saveEngine}`;
  await console.out.write(
    `Engine built in ${record.buildSeconds.toFixed(2)} s: ${precision}, ${formatBytes(record.plan.bytes)}${kept}\n`,
  );
  return {
    path,
    release,
    batch: async () => asked,
    inspect: () => inspectEngine(path, { allowHostCode: options.versionCompatible }),
  };
}

function load(path: string, { shapes, versionCompatible }: TrtexecOptions): PlanAtHand {
  let report: Promise<EngineReport> | undefined;
  const inspect = () => {
    report ??= inspectEngine(path, { allowHostCode: versionCompatible });
    return report;
  };
  const batch = async () => {
    const { tensors, profiles } = await inspect();
    const inputs = tensors.filter(({ input }) => input);
    const model = { name: path, inputs: inputs as unknown as ShapedModel['inputs'] };
    const asked = shapes === undefined ? (profiles[0]?.opt ?? 1) : batchOf('shapes', shapes, model);
    checkBatch(asked, profiles);
    return asked;
  };
  return { path, batch, inspect, release: async () => {} };
}

/** A bound that is not given is equal to its neighbour. Without any: the batch of --shapes, else the default profile. */
function profileOf(
  { minShapes, optShapes, maxShapes, shapes }: TrtexecOptions,
  model: BuildableModel,
): Profile {
  const read = (name: string, text: string | undefined) =>
    text === undefined ? undefined : batchOf(name, text, model);
  const [min, opt, max] = [
    read('minShapes', minShapes),
    read('optShapes', optShapes),
    read('maxShapes', maxShapes),
  ];
  const only = read('shapes', shapes);
  if (min === undefined && opt === undefined && max === undefined) {
    const [usual] = completeBuildOptions(undefined).profiles;
    return only === undefined ? (usual as Profile) : { min: only, opt: only, max: only };
  }
  const profile = { min: min ?? opt ?? max, opt: opt ?? max ?? min, max: max ?? opt ?? min } as Profile;
  if (profile.min <= profile.opt && profile.opt <= profile.max) return profile;
  throw new TFTError(
    'ERR_TFT_OPTION',
    `--minShapes, --optShapes and --maxShapes ask for batches of ${profile.min}, ${profile.opt} and ${profile.max}; ` +
      'they must not fall',
  );
}

function precisionFor({ fp16, int8, stronglyTyped }: TrtexecOptions, model: BuildableModel): Precision {
  const own = precisionOfOnnx(model);
  const wanted = int8 ? 'int8' : fp16 ? 'fp16' : own;
  if (
    stronglyTyped &&
    wanted !== own &&
    model.variants?.[wanted as Exclude<Precision, 'fp32'>] === undefined
  ) {
    throw new TFTError(
      'ERR_TFT_UNSUPPORTED',
      `--stronglyTyped: there is no ${wanted} variant of ${model.onnxPath}; 'tft-export variants' makes it`,
    );
  }
  return wanted;
}

function checkBatch(batch: number, profiles: readonly Profile[]): void {
  if (profiles.some(({ min, max }) => batch >= min && batch <= max)) return;
  const ranges = profiles.map(({ min, max }) => `${min} to ${max}`).join(', ');
  throw new TFTError('ERR_TFT_OPTION', `--shapes: a batch of ${batch} is outside of the plan's: ${ranges}`);
}
