// The file of alert rules: valid ones, and the errors of invalid ones.
import { expect, it } from 'vitest';
import { withinHours } from '../../src/fleet/alerts/hours.js';
import { parseRules } from '../../src/fleet/alerts/rule-file.js';
import { rules } from '../fixtures/alerts.js';

const RULE = 'rules: [{name: full, above: 90';

it('is YAML or JSON, with defaults that are said', () => {
  const [yaml] = rules('rules:\n  - name: full\n    above: 90\n    within: 30m\n    labels: {team: web}\n');
  const [json] = rules(
    '{"rules": [{"name": "full", "above": 90, "within": "0.5h", "labels": {"team": "web"}}]}',
  );
  expect(json).toMatchObject({
    ...yaml,
    settings: {},
    watches: expect.anything(),
    ignores: expect.anything(),
    isQuiet: expect.anything(),
  });
  expect(yaml).toMatchObject({
    metric: 'cpu_user_pct',
    severity: 'warning',
    quantile: 0.5,
    sign: 1,
    recover: 90,
    within: 6,
    lasting: 1,
    forecasts: 2,
  });
});

it.each([
  [`${RULE}, below: 3}]`, /rules\.0\.above: a rule has either above or below/],
  ['rules: [{name: full}]', /rules\.0\.above: a rule has either above or below/],
  [`${RULE}, within: soon}]`, /rules\.0\.within: 'soon' is no duration such as 30m, 4h or 1d/],
  [`${RULE}, within: 4h}]`, /rule 'full': within must be from 5m to 1h, as far as the model forecasts/],
  [`${RULE}, within: 10m, lasting: 30m}]`, /lasting is longer than within/],
  [`${RULE}, quantile: 0.99}]`, /rule 'full': quantile 0\.99: this model predicts 0\.1, 0\.5, 0\.9/],
  [`${RULE}, metric: mem_used_pct}]`, /the model forecasts cpu_user_pct, not mem_used_pct/],
  [`${RULE}, recover: 95}]`, /rules\.0\.recover: must not be on the other side of 90/],
  [`${RULE}, warning: 95}]`, /rules\.0\.warning: must be below the threshold 90/],
  [`${RULE}, servrs: web}]`, /rules\.0: .*servrs/],
  [`${RULE}}, {name: full, above: 80}]`, /two rules are called 'full'/],
  [`${RULE}, quiet: [{from: '25:00', to: '06:00'}]}]`, /quiet\.0\.from: must be a time of day/],
  [`${RULE}, quiet: [{from: '22:00', to: '06:00', zone: Mars}]}]`, /zone: is no time zone/],
  ['rules: [', /rules\.yaml is neither YAML nor JSON: /],
  [`${RULE}}]\nnotify: {alertmanager: [{url: 'file:///etc/passwd'}]}`, /alertmanager\.0\.url: must be a URL/],
])('that is wrong is refused: %s', (text, message) => {
  expect(() => rules(text)).toThrow(
    expect.objectContaining({ code: 'ERR_TFT_RULES_INVALID', message: expect.stringMatching(message) }),
  );
});

it('with a warning threshold is two rules, of which the farther one is critical', () => {
  const pair = rules('rules: [{name: full, above: 90, warning: 75, recover: 70}]');
  expect(
    pair.map(({ id, severity, threshold, recover, outranked }) => [
      id,
      severity,
      threshold,
      recover,
      outranked,
    ]),
  ).toEqual([
    ['full', 'critical', 90, 70, undefined],
    ['full:warning', 'warning', 75, 70, 'full'],
  ]);
});

it('chooses servers by names with stars, and by profile', () => {
  const [rule] = rules(`${RULE}, servers: ['web-*', 'db.1'], profiles: database}]`);
  const watched = ['web-1', 'web-', 'xweb-1', 'db.1', 'dbx1'].filter((name) =>
    rule?.watches(name, 'database'),
  );
  expect(watched).toEqual(['web-1', 'web-', 'db.1']);
  expect(rule?.watches('web-1', 'web_api')).toBe(false);
});

it('knows hours of a time zone, over midnight and over the change to summer time', () => {
  const at = (text: string) => Date.parse(text);
  const night = withinHours([{ from: '22:00', to: '06:00', days: ['fri'], zone: 'Europe/Berlin' }]);
  // Friday, 2026-03-27; the clocks go forward on Sunday the 29th.
  expect(
    [
      '2026-03-27T20:59Z',
      '2026-03-27T21:00Z',
      '2026-03-28T04:59Z',
      '2026-03-28T05:00Z',
      '2026-03-28T21:30Z',
    ].map((time) => night(at(time))),
  ).toEqual([false, true, true, false, false]);
  const day = withinHours([{ from: '08:00', to: '09:00', zone: 'Europe/Berlin' }]);
  expect([at('2026-03-28T07:30Z'), at('2026-03-29T06:30Z'), at('2026-03-29T07:30Z')].map(day)).toEqual([
    true,
    true,
    false,
  ]);
});

it('keeps headers and repeats of webhooks', () => {
  const { notify } = parseRules(
    `${RULE}}]\nnotify:\n  webhooks:\n    - {url: 'https://example.org/hook', headers: {authorization: Bearer x}, repeat: 1h}\n`,
    'rules.yaml',
  );
  expect(notify.webhooks).toEqual([
    { url: 'https://example.org/hook', headers: { authorization: 'Bearer x' }, repeat: 60 },
  ]);
});
