// Reads the state of the first GPU from NVML during a measurement: utilization, power (from the energy used), memory. Empty
// if NVML is missing.
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
    // The driver reports the utilization of the preceding period, so the first half of the readings is dropped.
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
