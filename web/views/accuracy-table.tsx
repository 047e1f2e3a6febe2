// The accuracy of the forecasts by horizon, next to the best naive forecast's.
import type { AccuracyHorizon } from '../../src/fleet/api.js';
import { count, loss, percent, skill } from '../state/numbers.js';
import { duration } from '../state/times.js';

/** The value of coverage80 for calibrated quantiles. */
const TARGET = 0.8;

export function AccuracyTable({
  caption,
  horizons,
}: {
  caption: string;
  horizons: readonly AccuracyHorizon[];
}) {
  return (
    <table class="accuracy">
      <caption class="unseen">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">Ahead</th>
          <th scope="col" class="number">
            Pinball loss
          </th>
          <th scope="col" class="number">
            Best naive
          </th>
          <th scope="col">Against naive</th>
          <th
            scope="col"
            class="number"
            title="Measured values between the quantiles 10 % and 90 %; 80 % is right"
          >
            In 80 %
          </th>
          <th scope="col" class="number">
            Scored
          </th>
        </tr>
      </thead>
      <tbody>
        {horizons.map((horizon) => (
          <tr key={horizon.horizonMinutes}>
            <th scope="row">{duration(horizon.horizonMinutes * 60)}</th>
            <td class="number">{loss(horizon.pinball)}</td>
            <td class="number" title={horizon.naive ?? ''}>
              {loss(horizon.naivePinball)}
            </td>
            <td>
              <Skill horizon={horizon} />
            </td>
            <td class="number">
              <Coverage share={horizon.coverage80} />
            </td>
            <td class="number">{count(horizon.count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How much better than the best naive forecast; a bar to the left is worse. */
export function Skill({ horizon }: { horizon: Pick<AccuracyHorizon, 'pinball' | 'naivePinball'> }) {
  const better = skill(horizon.pinball, horizon.naivePinball);
  if (better === undefined) return <span class="none">not yet known</span>;
  const word = better >= 0 ? 'better' : 'worse';
  const width = Math.min(50, Math.abs(better));
  return (
    <span class={`skill ${word}`}>
      <span class="track" aria-hidden="true">
        <span style={{ width: `${width}%`, [better >= 0 ? 'left' : 'right']: '50%' }} />
      </span>
      {Math.abs(Math.round(better))} % {word}
    </span>
  );
}

function Coverage({ share }: { share: number | null }) {
  if (share === null) return <>–</>;
  const isFar = Math.abs(share - TARGET) > 0.1;
  const word = share < TARGET ? 'too narrow' : 'too wide';
  return (
    <>
      {percent(share)}
      {isFar ? <span class="note"> {word}</span> : null}
    </>
  );
}
