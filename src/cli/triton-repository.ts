// `tft triton-repository`: writes a model repository for NVIDIA's Triton Inference Server.
import { Command, Option } from 'commander';
import { INSTANCE_KINDS, type TritonRepositoryOptions, writeTritonRepository } from '../entries/build.js';
import type { Console } from './console.js';
import { OK } from './exit-codes.js';
import { precisionOption, wholeNumber } from './shared-options.js';

const EXAMPLES = `
Writes OUT/NAME/config.pbtxt and OUT/NAME/1/model.onnx (model.plan with --plan), and overwrites nothing.

Examples:
  $ tft triton-repository demo repository
  $ tft triton-repository models/mine repository --name mine --max-batch 64 --instances 2 --kind gpu
  $ tft triton-repository models/mine repository --plan mine.engine
  $ tritonserver --model-repository repository`;

const PLUGINS =
  "the plan needs this package's plugin library: Triton takes it by LD_PRELOAD (docs/kernels.md)\n";

export function tritonRepositoryCommand(console: Console, exit: (status: number) => void): Command {
  return new Command('triton-repository')
    .summary("write a model repository for NVIDIA's Triton")
    .description(
      "Writes a model repository for NVIDIA's Triton Inference Server, which runs the ONNX file, or a TensorRT plan.",
    )
    .argument('<bundle>', 'model bundle, a folder')
    .argument('<out>', "the repository's folder")
    .option('--name <name>', "the model's name in Triton; the bundle's by default")
    .addOption(precisionOption().default('fp32'))
    .option('--plan <file>', 'a TensorRT plan of the bundle instead, with its record beside it')
    .addOption(
      new Option(
        '--max-batch <n>',
        'the largest number of series in one run; 32 by default, and of a plan what it can take',
      ).argParser(wholeNumber),
    )
    .addOption(
      new Option('--instances <n>', 'copies of the model on each device').argParser(wholeNumber).default(1),
    )
    .addOption(
      new Option('--kind <kind>', 'where they run; auto by default, and a plan on a gpu').choices(
        INSTANCE_KINDS,
      ),
    )
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(
      async (
        bundle: string,
        out: string,
        { json, ...options }: TritonRepositoryOptions & { json?: true },
      ) => {
        const written = await writeTritonRepository(bundle, out, options);
        await console.out.write(
          json ? `${JSON.stringify(written, null, 2)}\n` : `${written.config}\n${written.model}\n`,
        );
        if (written.needsPlugins && !json) await console.err.write(PLUGINS);
        exit(OK);
      },
    );
}
