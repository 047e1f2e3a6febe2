// All alerts: those that fire or may soon, those that are over, and the rules behind them.
import { alerts, fleet } from '../live/store.js';
import { count, limit } from '../state/numbers.js';
import { AlertList } from './alert-list.js';
import { Wide } from './wide.js';

export function AlertsView() {
  const all = alerts.value;
  if (!all) return null;
  const firing = all.active.filter(({ state }) => state === 'firing');
  const pending = all.active.filter(({ state }) => state !== 'firing');
  const unit = fleet.value?.about.model.unit ?? '';
  return (
    <article class="one">
      <h1>
        {firing.length === 0
          ? 'No alert fires'
          : `${count(firing.length)} ${firing.length === 1 ? 'alert fires' : 'alerts fire'}`}
      </h1>
      {firing.length === 0 ? null : <AlertList list={firing} none="" />}
      {pending.length === 0 ? null : (
        <>
          <h2>Pending</h2>
          <AlertList list={pending} none="" />
        </>
      )}
      <h2>Lately resolved</h2>
      <AlertList list={all.recent} none="None." />
      <h2>Rules</h2>
      {all.rules.length === 0 ? (
        <p class="hint">There are no rules: no alert can fire.</p>
      ) : (
        <Wide label="Rules of alerts">
          <table>
            <caption class="unseen">Rules of alerts</caption>
            <thead>
              <tr>
                <th scope="col">Rule</th>
                <th scope="col">Severity</th>
                <th scope="col">Metric</th>
                <th scope="col" class="number">
                  Threshold
                </th>
              </tr>
            </thead>
            <tbody>
              {all.rules.map(({ name, severity, metric, threshold }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>{severity}</td>
                  <td>{metric}</td>
                  <td class="number">{limit(threshold, unit)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
    </article>
  );
}
