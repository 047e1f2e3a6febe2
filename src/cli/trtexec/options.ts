// The options of trtexec that have a meaning for this model, under their own names, and which of them apply to a CPU.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { TFTError } from '../../index.js';
import { deviceArgument } from '../build.js';
import { bytesArgument } from '../present/bytes.js';
import { fromZero, wholeNumber } from '../shared-options.js';

/** The parsed command line; sizes are in bytes. */
export interface TrtexecOptions {
  onnx?: string;
  saveEngine?: string;
  loadEngine?: string;
  fp16?: boolean;
  int8?: boolean;
  stronglyTyped?: boolean;
  minShapes?: string;
  optShapes?: string;
  maxShapes?: string;
  shapes?: string;
  workspace?: number;
  memPoolSize?: number;
  timingCacheFile?: string;
  builderOptimizationLevel?: number;
  versionCompatible?: boolean;
  hardwareCompatibilityLevel?: 'none' | 'ampere+' | 'sameComputeCapability';
  noKernels?: boolean;
  iterations: number;
  duration: number;
  warmUp: number;
  streams?: number;
  infStreams?: number;
  useCudaGraph?: boolean;
  noDataTransfers?: boolean;
  useSpinWait?: boolean;
  exportTimes?: string;
  exportProfile?: string;
  dumpProfile?: boolean;
  dumpLayerInfo?: boolean;
  verbose?: boolean;
  device?: number;
  backend?: 'cpu' | 'tensorrt';
}

const MEBIBYTE = 2 ** 20;

/** The options that also apply to a CPU. All others are about TensorRT. */
const ON_CPU: ReadonlySet<string> = new Set([
  'onnx',
  'shapes',
  'iterations',
  'duration',
  'warmUp',
  'streams',
  'infStreams',
  'exportTimes',
  'verbose',
  'backend',
]);

/** Adds the options. */
export function addTrtexecOptions(command: Command): Command {
  const options = [
    new Option('--onnx <file>', 'the model'),
    new Option('--saveEngine <file>', 'write the plan to this path'),
    new Option('--loadEngine <file>', 'measure this plan').conflicts('onnx'),
    new Option('--fp16', 'the fp16 variant; without one the FP16 flag, on TensorRT 10'),
    new Option('--int8', 'the int8 variant; without one the INT8 flag, on TensorRT 10'),
    new Option('--stronglyTyped', 'only the precisions of the graph; no flags'),
    new Option('--minShapes <shapes>', 'smallest batch, such as encoder_cont:1x288x14'),
    new Option('--optShapes <shapes>', 'batch to tune for'),
    new Option('--maxShapes <shapes>', 'largest batch'),
    new Option('--shapes <shapes>', 'batch to run (default: --optShapes)'),
    new Option('--workspace <MiB>', 'memory for trying out layers').argParser(
      (text) => wholeNumber(text) * MEBIBYTE,
    ),
    new Option('--memPoolSize <pools>', 'the same: workspace:4096, in MiB, or workspace:4G').argParser(
      poolArgument,
    ),
    new Option('--timingCacheFile <file>', 'read and write the timing cache'),
    new Option('--builderOptimizationLevel <n>', '0 to 5').argParser(levelArgument),
    new Option('--versionCompatible', 'make it run on later versions too; allows host code'),
    new Option('--hardwareCompatibilityLevel <level>', 'make it run on other GPUs too').choices([
      'none',
      'ampere+',
      'sameComputeCapability',
    ]),
    new Option('--noKernels', "TensorRT's own layers only"),
    new Option('--iterations <n>', 'the minimum number of runs').argParser(wholeNumber).default(10),
    new Option('--duration <s>', 'the minimum duration in seconds').argParser(fromZero()).default(3),
    new Option('--warmUp <ms>', 'warm-up in milliseconds, not counted').argParser(fromZero()).default(200),
    new Option('--streams <n>', 'the number of batches in parallel').argParser(wholeNumber),
    new Option('--infStreams <n>', 'the same').argParser(wholeNumber).conflicts('streams'),
    new Option('--useCudaGraph', 'run as a CUDA graph'),
    new Option('--noDataTransfers', 'without copies'),
    new Option('--useSpinWait', 'wait by polling'),
    new Option('--exportTimes <file>', "each run's times, JSON"),
    new Option('--exportProfile <file>', "each layer's times, JSON"),
    new Option('--dumpProfile', "print each layer's times"),
    new Option('--dumpLayerInfo', 'print the layers'),
    new Option('--verbose', 'print the whole log of TensorRT'),
    new Option('--device <n>', 'the GPU, by its number').argParser(deviceArgument),
    new Option('--backend <name>', 'cpu: ONNX Runtime (default: tensorrt if it is usable)').choices([
      'cpu',
      'tensorrt',
    ]),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

/** The options in use that do not apply to a CPU. */
export function foreignToCpu(command: Command): string[] {
  return command.options
    .map((option) => option.attributeName())
    .filter((name) => !ON_CPU.has(name) && command.getOptionValueSource(name) === 'cli')
    .map((name) => `--${name}`);
}

/** @throws TFTError ERR_TFT_OPTION for options that cannot be combined. */
export function checkTogether(options: TrtexecOptions): void {
  const { onnx, loadEngine, workspace, memPoolSize } = options;
  if (onnx === undefined && loadEngine === undefined) {
    throw new TFTError('ERR_TFT_OPTION', 'either --onnx or --loadEngine is needed');
  }
  if (workspace !== undefined && memPoolSize !== undefined && workspace !== memPoolSize) {
    throw new TFTError(
      'ERR_TFT_OPTION',
      '--workspace and --memPoolSize contradict each other; leave one out',
    );
  }
  if (loadEngine === undefined) return;
  const ofBuilding = [
    'saveEngine',
    'fp16',
    'int8',
    'stronglyTyped',
    'minShapes',
    'optShapes',
    'maxShapes',
    'workspace',
    'memPoolSize',
    'timingCacheFile',
    'builderOptimizationLevel',
    'hardwareCompatibilityLevel',
    'noKernels',
  ] as const;
  const lost = ofBuilding.filter((name) => options[name] !== undefined).map((name) => `--${name}`);
  if (lost.length > 0) {
    throw new TFTError('ERR_TFT_OPTION', `${lost.join(', ')}: --loadEngine builds nothing; use --onnx`);
  }
}

/** 'workspace:4096' in MiB, or with a unit. The other pools belong to accelerators that this model does not use. */
function poolArgument(text: string): number {
  const [, size] = /^workspace:(.+)$/.exec(text.trim()) ?? [];
  if (size === undefined) throw new InvalidArgumentError('It must be like workspace:4096.');
  return bytesArgument(size, 'M');
}

function levelArgument(text: string): number {
  if (!/^[0-5]$/.test(text)) throw new InvalidArgumentError('It must be a number from 0 to 5.');
  return Number(text);
}
