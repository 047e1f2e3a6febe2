// The chart's values as a table: the forecast, then the history, the newest first.
import type { ServerDetail } from '../../src/fleet/api.js';
import { zone } from '../live/store.js';
import { measure, quantileName } from '../state/numbers.js';
import { clock } from '../state/times.js';
import { Wide } from './wide.js';

export function ValuesTable({ detail: { forecast, history } }: { detail: ServerDetail }) {
  const start = Date.parse(history.start);
  const step = history.stepMinutes * 60_000;
  const now = start + (history.values.length - 1) * step;
  const text = (at: number) => clock(at, now, zone.value);
  return (
    <Wide label="Values of the chart">
      <div class="beside">
        {forecast ? (
          <table>
            <caption>Quantiles ahead, forecast at {clock(forecast.madeAt, now, zone.value)}</caption>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {forecast.quantiles.map((quantile) => (
                  <th key={quantile} scope="col" class="number">
                    {quantileName(quantile)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {forecast.values.map((values, index) => {
                const at = Date.parse(forecast.start) + index * forecast.stepMinutes * 60_000;
                return (
                  <tr key={at}>
                    <th scope="row">{text(at)}</th>
                    {values.map((value, quantile) => (
                      <td key={forecast.quantiles[quantile]} class="number">
                        {measure(value)}
                      </td>
                    ))}
                  </tr>
                );
              })}
            </tbody>
          </table>
        ) : null}
        <table>
          <caption>Measured, the newest first</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col" class="number">
                Value
              </th>
              <th scope="col">Note</th>
            </tr>
          </thead>
          <tbody>
            {history.values
              .map((value, index) => ({ at: start + index * step, value, isFilled: history.filled[index] }))
              .reverse()
              .map(({ at, value, isFilled }) => (
                <tr key={at}>
                  <th scope="row">{text(at)}</th>
                  <td class="number">{measure(value)}</td>
                  <td>{isFilled ? 'filled in' : ''}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </Wide>
  );
}
