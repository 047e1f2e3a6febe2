// `tft trtexec`: the part of TensorRT's own tool that this model needs, with the same options: builds or loads a plan and
// measures it. The shapes of one input imply those of the others, and FP16 and INT8 come from the model's variants.
import { Command } from 'commander';
import { findTarget, measureEngine, readBuildable } from '../../entries/build.js';
import { TFTError } from '../../index.js';
import { buildBar } from '../build-bar.js';
import { type Console, printable } from '../console.js';
import { OK } from '../exit-codes.js';
import { interruptible } from '../interrupt.js';
import { exportProfile, exportTimes, type Measurement, profileTable, summary } from './measurement.js';
import { measureOnCpu } from './on-cpu.js';
import { addTrtexecOptions, checkTogether, foreignToCpu, type TrtexecOptions } from './options.js';
import { type PlanAtHand, planToMeasure } from './plan.js';
import type { TrtexecRun } from './run.js';
import { batchOf } from './shapes.js';

const EXAMPLES = `
Options are written --name=value or --name value. Shapes of one input set the batch of all
four. Without a GPU, and without an option that needs one, ONNX Runtime is measured.

Examples:
  $ tft trtexec --onnx=tft_model.onnx --saveEngine=tft_model_fp16.engine --fp16 \\
      --minShapes=encoder_cont:1x288x14 --optShapes=encoder_cont:8x288x14 \\
      --maxShapes=encoder_cont:32x288x14 --workspace=4096
  $ tft trtexec --loadEngine=tft_model_fp16.engine --useCudaGraph --exportTimes=times.json
  $ tft trtexec --onnx=models/demo/model.onnx --backend=cpu --shapes=encoder_cont:8x288x14

docs/engines.md says where it differs from TensorRT's own trtexec.`;

export function trtexecCommand(console: Console, exit: (status: number) => void): Command {
  return addTrtexecOptions(new Command('trtexec'))
    .summary("build and measure an engine as TensorRT's trtexec does")
    .description("Builds and measures an engine by the options of TensorRT's own trtexec.")
    .addHelpText('after', EXAMPLES)
    .action(async (options: TrtexecOptions, command: Command) => {
      checkTogether(options);
      const bar = buildBar(console.err, options.verbose);
      await interruptible((signal) => trtexec({ options, console, signal, bar }, command)).finally(bar.stop);
      exit(OK);
    });
}

async function trtexec(run: TrtexecRun, command: Command): Promise<void> {
  const { options, console } = run;
  const foreign = foreignToCpu(command);
  const backend = options.backend ?? (foreign.length > 0 ? 'tensorrt' : await whatCanRun(run));
  if (backend === 'cpu' && foreign.length > 0) {
    throw new TFTError('ERR_TFT_UNSUPPORTED', `${foreign.join(', ')}: has no meaning on a CPU`);
  }
  if (backend === 'cpu') {
    await report(await onCpu(run), options, console);
    return;
  }
  const plan = await planToMeasure(run);
  try {
    if (options.dumpLayerInfo)
      await console.out.write(`=== Layers ===\n${pretty((await plan.inspect()).inspector)}\n`);
    await report(await onGpu(plan, run), options, console);
  } finally {
    await plan.release();
  }
}

/** TensorRT if it can be used; otherwise the CPU, with the reason on standard error. */
async function whatCanRun({ console }: TrtexecRun): Promise<'cpu' | 'tensorrt'> {
  try {
    await findTarget({});
    return 'tensorrt';
  } catch (error) {
    if (!(error instanceof TFTError)) throw error;
    await console.err.write(`measuring on the CPU: ${printable(error.message)} (${error.code})\n`);
    return 'cpu';
  }
}

async function onCpu({ options, console, signal }: TrtexecRun): Promise<Measurement> {
  const onnx = options.onnx as string;
  const batch =
    options.shapes === undefined ? 1 : batchOf('shapes', options.shapes, await readBuildable(onnx, false));
  const { iterations } = options;
  return measureOnCpu({
    onnx,
    batch,
    signal,
    iterations,
    streams: options.infStreams ?? options.streams ?? 1,
    warmUpMs: options.warmUp,
    durationMs: options.duration * 1000,
    say: (line) => console.err.write(`${line}\n`),
  });
}

async function onGpu(plan: PlanAtHand, { options, console, signal, bar }: TrtexecRun): Promise<Measurement> {
  const batch = await plan.batch();
  const {
    device,
    iterations,
    warmUp,
    duration,
    useCudaGraph,
    noDataTransfers,
    useSpinWait,
    versionCompatible,
  } = options;
  const measured = await measureEngine(
    {
      plan: plan.path,
      batch,
      device,
      streams: options.infStreams ?? options.streams,
      warmUpMs: warmUp,
      durationMs: duration * 1000,
      iterations,
      cudaGraph: useCudaGraph,
      dataTransfers: !noDataTransfers,
      spinWait: useSpinWait,
      // Such a plan contains the lean runtime, which is code for the host.
      allowHostCode: versionCompatible,
      layerProfile: options.dumpProfile === true || options.exportProfile !== undefined,
    },
    bar.log,
    signal,
  );
  if (useCudaGraph && !measured.graph) {
    await console.err.write('warning: the engine cannot be captured as a CUDA graph; it ran without\n');
  }
  return measured;
}

async function report(measurement: Measurement, options: TrtexecOptions, { out }: Console): Promise<void> {
  const { layers } = measurement;
  if (layers && options.dumpProfile) await out.write(`${profileTable(layers)}\n`);
  await out.write(summary(measurement));
  if (options.exportTimes !== undefined) await exportTimes(options.exportTimes, measurement);
  if (layers && options.exportProfile !== undefined) await exportProfile(options.exportProfile, layers);
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
