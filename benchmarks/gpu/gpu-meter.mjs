// What the GPU is doing meanwhile, by nvidia-smi: utilization, power and memory. Says nothing where that is missing.
import { spawn } from 'node:child_process';

const QUERY = [
  '--query-gpu=utilization.gpu,power.draw,memory.used',
  '--format=csv,noheader,nounits',
  '-lms',
  '100',
];

export class GpuMeter {
  #child;
  #readings = [];
  #begun = 0;

  constructor() {
    this.#child = spawn('nvidia-smi', QUERY, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.on('error', () => {});
    let rest = '';
    this.#child.stdout?.on('data', (text) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [utilization, watts, mebibytes] = line.split(',').map(Number);
        if (Number.isFinite(watts))
          this.#readings.push({ at: performance.now(), utilization, watts, mebibytes });
      }
    });
    this.#child.stdout?.unref?.();
    this.#child.unref();
  }

  begin() {
    this.#begun = performance.now();
  }

  /** Means since `begin`, its first half second aside: the driver's own readings are means of the past. */
  end() {
    const since = this.#readings.filter(({ at }) => at > this.#begun + 500);
    this.#readings = [];
    if (since.length === 0) return {};
    const mean = (name) => since.reduce((sum, reading) => sum + reading[name], 0) / since.length;
    return { utilizationPercent: mean('utilization'), watts: mean('watts'), memoryMiB: mean('mebibytes') };
  }

  close() {
    this.#child.kill();
  }
}
