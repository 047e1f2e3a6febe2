// `tft simulate`: sends the records of servers that do not exist to a daemon, as a load.
import { Command, Option } from 'commander';
import { type LoadReport, runLoad, SimulatedFleet } from '../fleet/index.js';
import { loadModel } from '../index.js';
import type { Console } from './console.js';
import { FAILED, OK } from './exit-codes.js';
import { fromZero, modelOption, wholeNumber } from './shared-options.js';

interface SimulateOptions {
  url: string;
  servers: number;
  every: number;
  batch: number;
  connections: number;
  past: number;
  seconds?: number;
  seed: number;
  model: string;
  json?: boolean;
}

const EXAMPLES = `
The key of the service, where it has one, comes from the environment: TFT_API_KEY.

Examples:
  $ tft simulate --servers 20 --past 24
  $ tft simulate --servers 4500 --every 5
  $ tft simulate --servers 10000 --every 0 --seconds 30 --json`;

export function simulateCommand(console: Console, exit: (status: number) => void): Command {
  return new Command('simulate')
    .summary('send records of simulated servers to a daemon')
    .description(
      'Sends the records of servers that do not exist to a daemon, at a fixed pace, and measures the answers.',
    )
    .option('--url <address>', "the daemon's address", 'http://localhost:8000')
    .addOption(new Option('--servers <n>', 'how many servers').argParser(wholeNumber).default(20))
    .addOption(
      new Option('--every <seconds>', "seconds between a server's records; 0 is as fast as they are taken")
        .argParser(fromZero())
        .default(5),
    )
    .addOption(new Option('--batch <n>', 'records in a request').argParser(wholeNumber).default(1000))
    .addOption(new Option('--connections <n>', 'requests at once').argParser(wholeNumber).default(2))
    .addOption(new Option('--past <hours>', 'history that is sent first').argParser(fromZero()).default(0))
    .addOption(new Option('--seconds <n>', 'how long; without it until Ctrl-C').argParser(wholeNumber))
    .addOption(new Option('--seed <n>', 'another seed gives other servers').argParser(wholeNumber).default(1))
    .option('--json', 'print the report as JSON')
    .addOption(modelOption())
    .addHelpText('after', EXAMPLES)
    .action(async (options: SimulateOptions) => {
      const { out, err } = console;
      const model = await loadModel(options.model);
      const ended = new AbortController();
      process.once('SIGINT', () => ended.abort()).once('SIGTERM', () => ended.abort());
      const timer =
        options.seconds === undefined ? undefined : setTimeout(() => ended.abort(), options.seconds * 1000);
      const report = await runLoad(new SimulatedFleet(model, options.seed), {
        url: options.url,
        apiKey: process.env.TFT_API_KEY,
        servers: options.servers,
        everySeconds: options.every,
        batch: options.batch,
        connections: options.connections,
        pastHours: options.past,
        stepMs: model.stepMinutes * 60_000,
        signal: ended.signal,
        onReport: (report) => void err.write(`${describe(report)}\n`),
      });
      clearTimeout(timer);
      await out.write(options.json ? `${JSON.stringify(report)}\n` : `${describe(report)}\n`);
      exit(report.accepted > 0 && report.failed === 0 ? OK : FAILED);
    });
}

function describe({ seconds, accepted, refused, failed, rate, latency, behind }: LoadReport): string {
  const [middle, most, largest] = latency;
  const late = behind > 1 ? `, ${behind.toFixed(0)} s behind` : '';
  return (
    `${seconds.toFixed(0)} s: ${accepted} accepted, ${refused} refused, ${failed} failed; ${Math.round(rate)} records/s; ` +
    `answers after ${middle} ms, 99 of 100 within ${most}, all within ${largest}${late}`
  );
}
