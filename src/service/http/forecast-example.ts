// Examples for the description of POST /forecast, of the demo model.

/** The first of 288 rows or more of each server. */
export const exampleRows = {
  rows: [
    {
      timestamp: '2026-02-02T07:55:00Z',
      server_name: 'db-1',
      profile: 'database',
      status: 'healthy',
      cpu_user_pct: 31.5,
      cpu_sys_pct: 4.2,
      cpu_iowait_pct: 0.8,
      cpu_idle_pct: 63.5,
      java_cpu_pct: 0,
      mem_used_pct: 71.3,
      swap_used_pct: 0,
      disk_usage_pct: 48,
      net_in_mb_s: 12.4,
      net_out_mb_s: 8.1,
      back_close_wait: 0,
      front_close_wait: 2,
      load_average: 3.1,
      uptime_days: 41.2,
    },
  ],
};

/** The first of 96 steps. */
export const exampleForecast = {
  model: 'demo',
  target: 'cpu_user_pct',
  unit: '%',
  backend: 'onnxruntime',
  precision: 'fp32',
  sorted: true,
  clipped: true,
  forecasts: [
    {
      server: 'db-1',
      now: 31.5,
      start: '2026-02-02T08:00:00.000Z',
      stepMinutes: 5,
      times: ['2026-02-02T08:00:00.000Z'],
      quantiles: [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98],
      values: [[21.4, 25.9, 29.1, 32.2, 35.6, 39.8, 47.1]],
    },
  ],
  refused: [
    {
      server: 'db-2',
      code: 'ERR_TFT_HISTORY_SHORT',
      message:
        'has 40 steps (3.3 h) of history, from 2026-02-02T04:40Z to 2026-02-02T07:55Z; 288 steps (24 h) are needed',
    },
  ],
  warnings: [
    {
      kind: 'filled',
      server: 'db-1',
      count: 3,
      message: 'db-1: filled 3 of 288 steps, from 2026-02-01T22:10Z (15 min)',
    },
  ],
};
