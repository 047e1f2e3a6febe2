// The inputs that a forecast depends on: which metrics, and which hours.
import type { Explanation as Explained } from '../../src/fleet/api.js';
import { fleet, zone } from '../live/store.js';
import { percent } from '../state/numbers.js';
import { clock } from '../state/times.js';

const SHOWN = 8;
const HEIGHT = 40;

export function Explanation({ explanation: { variables, attention } }: { explanation: Explained }) {
  const now = fleet.value?.about.time ?? Date.now();
  const heaviest = [...variables].sort((one, other) => other.weight - one.weight).slice(0, SHOWN);
  const top = heaviest[0]?.weight ?? 1;
  const hours = byHour(attention);
  const highest = Math.max(1e-9, ...hours.map(({ weight }) => weight));
  const most = hours.reduce<(typeof hours)[number] | undefined>(
    (best, hour) => (best === undefined || hour.weight > best.weight ? hour : best),
    undefined,
  );
  return (
    <section>
      <h2>What the model looked at</h2>
      <table class="weights">
        <caption class="unseen">Weights of the variables that it read</caption>
        <thead class="unseen">
          <tr>
            <th scope="col">Variable</th>
            <th scope="col">Weight</th>
          </tr>
        </thead>
        <tbody>
          {heaviest.map(({ name, weight }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                <span class="weight">
                  <span class="bar" aria-hidden="true">
                    <span style={{ width: `${(weight / top) * 100}%` }} />
                  </span>
                  {percent(weight)}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {most ? (
        <figure class="attention">
          <figcaption>
            Attention to the past, most to the hour from {clock(most.start, now, zone.value)} (
            {percent(most.weight)})
          </figcaption>
          <svg viewBox={`0 0 ${hours.length} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
            {hours.map(({ start, weight }, index) => {
              const tall = (weight / highest) * HEIGHT;
              return <rect key={start} x={index + 0.1} width={0.8} y={HEIGHT - tall} height={tall} />;
            })}
          </svg>
          <div class="ticks" aria-hidden="true">
            <span>{clock(hours[0]?.start ?? now, now, zone.value)}</span>
            <span>now</span>
          </div>
        </figure>
      ) : null}
    </section>
  );
}

function byHour(attention: Explained['attention']): { start: number; weight: number }[] {
  const hours = new Map<number, number>();
  for (const { at, weight } of attention) {
    const hour = Math.floor(Date.parse(at) / 3_600_000) * 3_600_000;
    hours.set(hour, (hours.get(hour) ?? 0) + weight);
  }
  return [...hours]
    .map(([start, weight]) => ({ start, weight }))
    .sort((one, other) => one.start - other.start);
}
