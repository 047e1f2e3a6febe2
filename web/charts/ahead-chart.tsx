// A bar chart: how many servers cross the threshold in each part of the time ahead.
import type { AheadBin } from '../state/ahead.js';
import { clock, type Zone } from '../state/times.js';

const HEIGHT = 44;

interface AheadChartProps {
  readonly bins: readonly AheadBin[];
  readonly zone: Zone;
  readonly now: number;
  readonly label: string;
}

export function AheadChart({ bins, zone, now, label }: AheadChartProps) {
  // A single server must not fill the chart's height.
  const highest = Math.max(5, ...bins.map(({ likely, possible }) => likely + possible));
  const width = 100 / bins.length;
  const tall = (count: number) => (count === 0 ? 0 : Math.max(1.5, (count / highest) * (HEIGHT - 2)));
  const ticks = [0, 1, 2, 3, 4].map((quarter) => Math.round((quarter / 4) * bins.length));
  const last = bins.at(-1) as AheadBin;
  const end = last.start + (last.start - (bins[0] as AheadBin).start) / Math.max(1, bins.length - 1);
  return (
    <figure class="ahead">
      <figcaption>{label}</figcaption>
      <svg viewBox={`0 0 100 ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {bins.map(({ start, likely, possible }, index) => {
          const [solid, light] = [tall(likely), tall(possible)];
          const place = { x: index * width + width * 0.12, width: width * 0.76 };
          return (
            <g key={start}>
              <rect class="base" {...place} y={HEIGHT - 1} height={1} />
              <rect class="likely" {...place} y={HEIGHT - solid} height={solid} />
              <rect class="possible" {...place} y={HEIGHT - solid - light} height={light} />
            </g>
          );
        })}
      </svg>
      <div class="ticks" aria-hidden="true">
        {ticks.map((tick) => (
          <span key={tick}>{tick === 0 ? 'now' : clock(bins[tick]?.start ?? end, now, zone)}</span>
        ))}
      </div>
    </figure>
  );
}
