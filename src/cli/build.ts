// `tft build`: builds a TensorRT plan from a bundle, into the cache or a file.
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { BuiltEngine, Precision, Profile } from '../index.js';
import { buildEngine } from '../index.js';
import { buildBar } from './build-bar.js';
import type { Console } from './console.js';
import { OK } from './exit-codes.js';
import { interruptible } from './interrupt.js';
import { bytesArgument, formatBytes } from './present/bytes.js';
import { describeCheck } from './present/check.js';
import { DEMO_BUNDLE, precisionOption } from './shared-options.js';

interface BuildCommandOptions {
  precision?: Precision;
  output?: string;
  profile?: Profile[];
  workspace?: number;
  optimizationLevel?: string;
  versionCompatible?: boolean;
  hardwareCompatibility?: 'none' | 'ampere+' | 'sameComputeCapability';
  refittable?: boolean;
  tf32?: boolean;
  kernels: boolean;
  check: boolean;
  plugin?: string[];
  device: number;
  target?: string[];
  rebuild?: boolean;
  cache?: string;
  verbose?: boolean;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  $ tft build models/demo --precision fp16
  $ tft build models/demo --precision int8 -o models/demo/model.int8.engine
  $ tft build my.onnx --profile 1:8:32 --profile 1:32:128
  $ tft build models/demo --target rtx4090 --target sm120 -o demo.engine

Without -o the engine goes to the cache, where TFTEngine.load finds it when it is asked
for the same precision and build options. docs/engines.md says more.

Exit status: 0 built or there already, 1 not, 130 ended by Ctrl-C.`;

export function buildCommand(console: Console, exit: (status: number) => void): Command {
  return new Command('build')
    .summary('build a TensorRT engine, or find it in the cache')
    .description('Builds a TensorRT engine for the GPU here, or finds it in the cache.')
    .addArgument(
      new Argument('[model]', "a bundle's folder, or an ONNX file").default(DEMO_BUNDLE, 'the demo model'),
    )
    .addOption(precisionOption())
    .option('-o, --output <file>', 'write the plan and its record to this path')
    .addOption(
      new Option(
        '--profile <min:opt:max>',
        'batches to build for, may be repeated (default: 1:8:32)',
      ).argParser(profileArgument),
    )
    .addOption(
      new Option('--workspace <size>', 'memory for trying out layers (default: 4G)').argParser((text) =>
        bytesArgument(text, 'M'),
      ),
    )
    .addOption(
      new Option('--optimization-level <n>', 'how thoroughly to search (default: 3)').choices([
        '0',
        '1',
        '2',
        '3',
        '4',
        '5',
      ]),
    )
    .option('--version-compatible', 'make it run on later versions of TensorRT too')
    .addOption(
      new Option('--hardware-compatibility <level>', 'make it run on other GPUs too').choices([
        'none',
        'ampere+',
        'sameComputeCapability',
      ]),
    )
    .option('--refittable', 'allow replacing the weights later')
    .option('--tf32', 'allow products in TF32 where the model is in FP32')
    .option('--no-kernels', "run all of the model by TensorRT's own layers")
    .option('--no-check', 'keep it even if it forecasts wrongly')
    .option('--plugin <library...>', 'libraries with TensorRT plugins')
    .addOption(new Option('--device <n>', 'the GPU, by its number').argParser(deviceArgument).default(0))
    .addOption(
      new Option(
        '--target <gpu>',
        'a GPU that need not be here, such as rtx4090 or sm120; may be repeated (by TensorRT for RTX)',
      ).argParser((text: string, before: string[] = []) => [...before, ...text.split(',')]),
    )
    .option('--cache <folder>', 'the folder of the cache (default: TFT_CACHE, else ~/.cache/tft-tensorrt)')
    .option('--rebuild', 'build even if the cache has the engine')
    .option('--verbose', "print all of TensorRT's log")
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (model: string, options: BuildCommandOptions) => {
      const built = await build(model, options, console);
      await console.out.write(options.json ? `${JSON.stringify(built, null, 2)}\n` : describe(built));
      exit(OK);
    });
}

async function build(model: string, options: BuildCommandOptions, { err }: Console): Promise<BuiltEngine> {
  const { precision, output, profile, workspace, optimizationLevel, plugin, device, cache, rebuild, target } =
    options;
  const { versionCompatible, hardwareCompatibility, refittable, tf32, kernels, check, verbose } = options;
  const bar = buildBar(err, verbose);
  try {
    return await interruptible((signal) =>
      buildEngine(model, {
        precision,
        output,
        device,
        targets: target,
        cache,
        rebuild,
        check,
        signal,
        build: {
          profiles: profile,
          workspaceBytes: workspace,
          optimizationLevel: optimizationLevel === undefined ? undefined : Number(optimizationLevel),
          versionCompatible,
          hardwareCompatibility,
          refittable,
          tf32,
          kernels,
          plugins: plugin,
        },
        onProgress: bar.onProgress,
        log: bar.log,
      }),
    );
  } finally {
    bar.stop();
  }
}

function describe({
  path,
  engine,
  precision,
  bytes,
  buildSeconds,
  tensorrt,
  rtx,
  gpu,
  profiles,
  fused,
  check,
}: BuiltEngine): string {
  const batches = profiles.map(({ min, opt, max }) => `${min}:${opt}:${max}`).join(', ');
  const how = engine === 'cache' ? 'found in the cache; it took' : 'built in';
  return [
    path,
    `${precision}, batches ${batches}, ${formatBytes(bytes)}, TensorRT ${rtx ? 'for RTX ' : ''}${tensorrt}, ${gpu}`,
    `${how} ${buildSeconds.toFixed(1)} s`,
    ...(fused.length > 0 ? [`kernels of this package run ${fused.join(', ')}`] : []),
    describeCheck(check),
    '',
  ].join('\n');
}

function profileArgument(text: string, before: Profile[] = []): Profile[] {
  const match = /^(\d+):(\d+):(\d+)$/.exec(text);
  if (!match) throw new InvalidArgumentError('It must be three numbers such as 1:8:32.');
  const [min, opt, max] = match.slice(1).map(Number) as [number, number, number];
  return [...before, { min, opt, max }];
}

/** For `Option.argParser`: 0, 1, 2 … */
export function deviceArgument(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a number from 0 on.');
  return Number(text);
}
