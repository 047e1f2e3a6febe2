// Describes the machine and its libraries.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';
import { addon, libraries, model, say } from '../session.mjs';

const report = await addon.loadLibraries(libraries);
const driver = '/proc/driver/nvidia/version';
const smi = spawnSync('nvidia-smi', [
  '--query-gpu=name,driver_version,clocks.max.sm',
  '--format=csv,noheader',
]);
say({
  kind: 'machine',
  date: new Date().toISOString(),
  gpus: report.devices.map(({ name }) => name),
  computeCapability: report.devices[0]?.computeCapability,
  driver: existsSync(driver) ? readFileSync(driver, 'utf8').split('\n')[0] : '',
  smi: smi.stdout?.toString().split('\n')[0] ?? '',
  cuda: report.cudaVersion,
  tensorrt: report.tensorrtVersion,
  libnvinfer: report.tensorrtPath,
  node: process.versions.node,
  system: `${type()} ${release()}`,
  processor: `${cpus()[0]?.model}, ${cpus().length} processors`,
  memoryGiB: totalmem() / 2 ** 30,
  model: model.name,
  problem: report.problem,
});
if (report.problem) process.exitCode = 1;
