// `tft triton-repository`: writes a model repository for NVIDIA's Triton Inference Server.
import { Command, Option } from 'commander';
import { INSTANCE_KINDS, type TritonRepositoryOptions, writeTritonRepository } from '../entries/build.js';
import type { Console } from './console.js';
import { OK } from './exit-codes.js';
import { precisionOption, wholeNumber } from './shared-options.js';

const EXAMPLES = `
Writes OUT/NAME/config.pbtxt and OUT/NAME/1/model.onnx, and overwrites nothing.

Examples:
  $ tft triton-repository demo repository
  $ tft triton-repository models/mine repository --name mine --max-batch 64 --instances 2 --kind gpu
  $ tritonserver --model-repository repository`;

export function tritonRepositoryCommand(console: Console, exit: (status: number) => void): Command {
  return new Command('triton-repository')
    .summary("write a model repository for NVIDIA's Triton")
    .description("Writes a model repository for NVIDIA's Triton Inference Server, which runs the ONNX file.")
    .argument('<bundle>', 'model bundle, a folder')
    .argument('<out>', "the repository's folder")
    .option('--name <name>', "the model's name in Triton; the bundle's by default")
    .addOption(precisionOption().default('fp32'))
    .addOption(
      new Option('--max-batch <n>', 'the largest number of series in one run')
        .argParser(wholeNumber)
        .default(32),
    )
    .addOption(
      new Option('--instances <n>', 'copies of the model on each device').argParser(wholeNumber).default(1),
    )
    .addOption(new Option('--kind <kind>', 'where they run').choices(INSTANCE_KINDS).default('auto'))
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
        exit(OK);
      },
    );
}
