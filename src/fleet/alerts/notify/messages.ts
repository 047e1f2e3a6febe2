// Alerts as Alertmanager takes them (API v2) and as it passes them on to webhooks (version 4), so that programs that read
// theirs can read ours. https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
import type { Alert } from '../../api.js';

const NEVER = '0001-01-01T00:00:00Z';

/** An alert to be sent. */
export interface Outgoing {
  readonly alert: Alert;
  readonly startsAt: number;
  /** When it ended, or when a receiver that gets no further message treats it as ended. */
  readonly endsAt: number;
}

function labelsOf({ rule, severity, server, metric, labels }: Alert): Record<string, string> {
  return { ...labels, alertname: rule, severity, instance: server, metric };
}

function annotationsOf({ text, crossing, threshold, value }: Alert): Record<string, string> {
  const entries = {
    summary: text,
    threshold: String(threshold),
    value: value === null ? undefined : String(Number(value.toPrecision(4))),
    earliest: crossing?.earliest,
    likely: crossing?.likely,
    latest: crossing?.latest,
  };
  return Object.fromEntries(
    Object.entries(entries).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

/** The body of POST /api/v2/alerts. */
export function alertmanagerBody(items: readonly Outgoing[], source: string | undefined): object[] {
  return items.map(({ alert, startsAt, endsAt }) => ({
    labels: labelsOf(alert),
    annotations: annotationsOf(alert),
    startsAt: new Date(startsAt).toISOString(),
    endsAt: new Date(endsAt).toISOString(),
    ...(source === undefined ? {} : { generatorURL: source }),
  }));
}

/** The body of a webhook: one group of one state. */
export function webhookBody(items: readonly Outgoing[], source: string | undefined): object {
  const firing = items.some(({ alert }) => alert.state !== 'resolved');
  const rules = [...new Set(items.map(({ alert }) => alert.rule))];
  const common = rules.length === 1 ? { alertname: rules[0] as string } : {};
  return {
    version: '4',
    groupKey: `tft-fleet:${rules.join(',')}`,
    truncatedAlerts: 0,
    status: firing ? 'firing' : 'resolved',
    receiver: 'tft-fleet',
    groupLabels: common,
    commonLabels: common,
    commonAnnotations: {},
    externalURL: source ?? '',
    alerts: items.map(({ alert, startsAt, endsAt }) => ({
      status: alert.state === 'resolved' ? 'resolved' : 'firing',
      labels: labelsOf(alert),
      annotations: annotationsOf(alert),
      startsAt: new Date(startsAt).toISOString(),
      endsAt: alert.state === 'resolved' ? new Date(endsAt).toISOString() : NEVER,
      generatorURL: source ?? '',
      fingerprint: alert.id,
    })),
  };
}
