// Writes a preview of alert rules: a sentence for each rule, and on request every alert with its outcome.
import { formatTimestamp } from '../../entries/history.js';
import type { AlertsPreview } from '../../entries/judging.js';
import { type Paint, printable } from '../console.js';

export function previewReport(
  { rules, from, to, forecasts, servers }: AlertsPreview,
  list: boolean,
  paint: Paint,
): string {
  if (from === undefined || to === undefined) return 'no forecast could be made of this history\n';
  const lines = [
    `${forecasts.toLocaleString('en')} forecasts of ${servers} servers from ${formatTimestamp(from)} to ${formatTimestamp(to)}`,
  ];
  for (const rule of rules) {
    lines.push('', `${paint('bold', rule.rule)} (${rule.severity}, ${rule.threshold}): ${sentence(rule)}`);
    if (!list) continue;
    for (const { server, at, outcome, minutesAhead, text } of rule.firings) {
      const when = formatTimestamp(at);
      const result = outcome === 'right' ? paint('green', `right, ${minutesAhead} min ahead`) : outcome;
      lines.push(`  ${when}  ${result}  ${printable(text.startsWith(server) ? text : `${server}: ${text}`)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** 'would have fired 7 times, 5 rightly, 41 minutes ahead at the median; …' */
function sentence(rule: AlertsPreview['rules'][number]): string {
  const { fired, right, falseAlarms, undecided, minutesAhead, falseAlarmsPerServerWeek, episodes, missed } =
    rule;
  if (fired === 0) return `would not have fired; ${crossings(episodes, missed)}`;
  const ahead =
    minutesAhead === null ? '' : `, ${Number(minutesAhead.toFixed(1))} minutes ahead at the median`;
  const open = undecided === 0 ? '' : `, ${undecided} undecided at the end`;
  return (
    `would have fired ${times(fired)}, ${right} rightly${ahead}${open}; ` +
    `${falseAlarms} false alarms, ${falseAlarmsPerServerWeek.toPrecision(2)} per server-week; ${crossings(episodes, missed)}`
  );
}

function crossings(episodes: number, missed: number): string {
  return episodes === 0 ? 'the target never crossed' : `${missed} of ${episodes} crossings came without it`;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count.toLocaleString('en')} times`;
}
