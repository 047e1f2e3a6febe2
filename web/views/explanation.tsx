// The inputs that a forecast depends on, as bars of their weights.
import type { Explanation as Explained } from '../../src/fleet/api.js';
import { type WeightGroup, weightGroups } from '../state/explanation.js';
import { percent } from '../state/numbers.js';

const SHOWN = 6;

export function Explanation({ explanation }: { explanation: Explained }) {
  const groups = weightGroups(explanation, SHOWN);
  if (groups.length === 0) return null;
  // One scale for all, so that bars of different groups can be compared.
  const top = Math.max(...groups.flatMap(({ list }) => list.map(({ weight }) => weight)));
  return (
    <section class="rests">
      <h2>What the forecast looked at</h2>
      <p class="hint">Shares of the weights that the model gave its inputs; a weight is no cause.</p>
      <div class="beside">
        {groups.map((group) => (
          <Weights key={group.title} {...group} top={top} />
        ))}
      </div>
    </section>
  );
}

function Weights({ title, list, top }: WeightGroup & { top: number }) {
  return (
    <table class="weights">
      <caption>{title}</caption>
      <thead class="unseen">
        <tr>
          <th scope="col">Variable</th>
          <th scope="col">Weight</th>
        </tr>
      </thead>
      <tbody>
        {list.map(({ name, label, weight }) => (
          <tr key={name}>
            <th scope="row" title={name}>
              {label}
            </th>
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
  );
}
