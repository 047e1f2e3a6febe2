// A risk as number, word and bar: never by its colour alone.
import type { RiskLevel } from '../../src/fleet/api.js';

export function Risk({ risk, level }: { risk: number; level: RiskLevel }) {
  return (
    <span class={`measure ${level}`}>
      <b>{Math.round(risk)}</b>
      <span class="word">{level}</span>
      <span class="bar" aria-hidden="true">
        <span style={{ width: `${risk}%` }} />
      </span>
    </span>
  );
}
