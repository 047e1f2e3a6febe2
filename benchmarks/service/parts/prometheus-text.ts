// Reads the part of Prometheus's text format that this repository's services and Triton write.

/** A metric's value with its labels. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All values in a response of /metrics. */
export function parseMetrics(text: string): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = /^([\w:]+)(?:\{(.*)\})? (\S+)/.exec(line);
      if (!match) throw new Error(`not a metric: ${line}`);
      const [, name = '', labels = '', value = ''] = match;
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text]);
      return {
        name,
        labels: Object.fromEntries(pairs) as Record<string, string>,
        value: Number(value.replace('Inf', 'Infinity')),
      };
    });
}

/** The sum of a metric over its labels. */
export function sumOf(samples: readonly Sample[], name: string): number {
  return samples.filter((sample) => sample.name === name).reduce((sum, { value }) => sum + value, 0);
}

/** The label names of each metric, by its name. */
export function labelsByName(samples: readonly Sample[]): Map<string, string[]> {
  return new Map(samples.map(({ name, labels }) => [name, Object.keys(labels).sort()]));
}

/** Counts of a histogram by upper bound, cumulative, in order; summed over its other labels. */
export function buckets(samples: readonly Sample[], name: string): Map<number, number> {
  const counts = new Map<number, number>();
  for (const sample of samples) {
    if (sample.name !== `${name}_bucket`) continue;
    const bound = Number(sample.labels.le?.replace('+Inf', 'Infinity'));
    counts.set(bound, (counts.get(bound) ?? 0) + sample.value);
  }
  return counts;
}
