// Below the chart, over the same axis: which hours of the past the model looked at, for each part of the time ahead.
import type { Strip } from '../state/explanation.js';
import { cellText, stripSummary } from '../state/explanation.js';
import type { Zone } from '../state/times.js';

export function AttentionStrip({ strip, zone, now }: { strip: Strip; zone: Zone; now: number }) {
  const { rows, end, binMinutes } = strip;
  return (
    <div class="strip">
      <p class="unseen">{stripSummary(strip, now, zone)}</p>
      <div aria-hidden="true">
        <p>
          Hours it looked at <span class="scale">less</span> more
        </p>
        {rows.map(({ name, cells }) => (
          <div class="hours" key={name}>
            {cells.map((cell) => (
              <i
                key={cell.begin}
                title={`${name}, ${cellText(cell, binMinutes, now, zone)}`}
                style={{
                  left: `${cell.left}%`,
                  width: `${cell.width}%`,
                  '--shade': cell.shade.toFixed(3),
                }}
              />
            ))}
            <span style={{ left: `${end}%` }}>{name}</span>
          </div>
        ))}
      </div>
    </div>
  );
}
