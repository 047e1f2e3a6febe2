// What the first GPU is doing meanwhile, by NVML: utilization, power by the energy used, memory. Says nothing where NVML
// lacks.
import { addon, options } from './session.mjs';

const EVERY_MS = 100;

export class GpuMeter {
  #readings = [];
  #timer;

  async begin() {
    this.#readings = [];
    await this.#read();
    this.#timer = setInterval(() => this.#read(), EVERY_MS);
  }

  async end() {
    clearInterval(this.#timer);
    await this.#read();
    const first = this.#readings[0];
    const last = this.#readings.at(-1);
    if (last === undefined) return {};
    const seconds = (last.at - first.at) / 1000;
    // The driver's utilization is of the moment before: the first half of what was read tells of what was before.
    const since = this.#readings.slice(Math.floor(this.#readings.length / 2));
    return {
      utilizationPercent:
        (100 * since.reduce((sum, { utilization = 0 }) => sum + utilization, 0)) / since.length,
      watts: last.energyJoules && (last.energyJoules - first.energyJoules) / seconds,
      memoryMiB: last.memoryUsedBytes && last.memoryUsedBytes / 2 ** 20,
    };
  }

  async #read() {
    const [status] = await addon.gpuStatus(options.nvml);
    if (status) this.#readings.push({ at: performance.now(), ...status });
  }
}
