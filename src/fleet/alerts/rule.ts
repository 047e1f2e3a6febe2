// Rules resolved for a model: columns instead of quantiles, steps instead of hours, and each rule's texts.
import { TFTError } from '../../contract/errors.js';
import { placeOf, type QuantilePlace } from '../../contract/quantiles.js';
import { withinHours } from './hours.js';
import { parseRules, type RuleFile, type RuleSettings } from './rule-file.js';

/** What rules need to know of a model. */
export interface RuleModel {
  readonly target: string;
  readonly unit: string;
  readonly stepMinutes: number;
  readonly horizon: number;
  readonly quantiles: readonly number[];
}

/** A rule with one threshold; one with a warning threshold as well becomes two. */
export interface Rule {
  /** Its name, with the severity where two rules share it. */
  readonly id: string;
  readonly name: string;
  readonly metric: string;
  readonly unit: string;
  readonly severity: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly quantile: number;
  readonly place: QuantilePlace;
  /** 1 where a value above the threshold is across, -1 where one below is. */
  readonly sign: 1 | -1;
  readonly threshold: number;
  readonly recover: number;
  /** Steps ahead that it looks at. */
  readonly within: number;
  /** Steps in a row that must be across. */
  readonly lasting: number;
  /** Forecasts in a row before it fires, and before it ends. */
  readonly forecasts: number;
  readonly settings: RuleSettings;
  /** The rule with the higher severity, which replaces this one when both thresholds are crossed. */
  readonly outranked: string | undefined;
  watches(server: string, profile: string): boolean;
  /** Whether a step of this time does not count. */
  ignores(time: number): boolean;
  /** Whether no notification is sent at this time. */
  isQuiet(time: number): boolean;
}

/**
 * Makes the rules of a file ready.
 *
 * @throws TFTError ERR_TFT_RULES_INVALID for a metric that the model does not forecast or a quantile that it has not.
 */
export function readyRules({ rules }: Pick<RuleFile, 'rules'>, model: RuleModel): Rule[] {
  return rules.flatMap((settings) => {
    const threshold = (settings.above ?? settings.below) as number;
    const severity = settings.severity ?? (settings.warning === undefined ? 'warning' : 'critical');
    const main = ready(settings, model, { id: settings.name, threshold, severity });
    if (settings.warning === undefined) return [main];
    const nearer = { id: `${settings.name}:warning`, threshold: settings.warning, severity: 'warning' };
    return [main, ready(settings, model, { ...nearer, outranked: main.id })];
  });
}

/** A condition of the daemon itself that is reported like a rule's alerts. It needs no forecast. */
export function conditionRule(
  name: string,
  severity: string,
  threshold: number,
  model: RuleModel,
  labels: Readonly<Record<string, string>> = {},
): Rule {
  const [settings] = parseRules(
    JSON.stringify({ rules: [{ name, severity, above: threshold, labels }] }),
    'a condition',
  ).rules as [RuleSettings];
  return { ...ready(settings, model, { id: name, threshold, severity }), watches: () => false };
}

interface Level {
  readonly id: string;
  readonly threshold: number;
  readonly severity: string;
  readonly outranked?: string;
}

function ready(settings: RuleSettings, model: RuleModel, level: Level): Rule {
  const refuse = (message: string) => {
    throw new TFTError('ERR_TFT_RULES_INVALID', `rule '${settings.name}': ${message}`);
  };
  const { stepMinutes, horizon } = model;
  const metric = settings.metric ?? model.target;
  if (metric !== model.target) {
    refuse(`the model forecasts ${model.target}, not ${metric}; a rule can watch nothing else`);
  }
  let place: QuantilePlace = { low: 0, high: 0, weight: 0 };
  try {
    place = placeOf(model.quantiles, settings.quantile);
  } catch (error) {
    refuse((error as Error).message);
  }
  const within = Math.round((settings.within ?? horizon * stepMinutes) / stepMinutes);
  if (within < 1 || within > horizon) {
    const hours = Number(((horizon * stepMinutes) / 60).toFixed(2));
    refuse(`within must be from ${stepMinutes}m to ${hours}h, as far as the model forecasts`);
  }
  const lasting = Math.max(1, Math.round((settings.lasting ?? stepMinutes) / stepMinutes));
  if (lasting > within) refuse('lasting is longer than within: it could never fire');
  const names = settings.servers?.map(pattern);
  const profiles = settings.profiles === undefined ? undefined : new Set(settings.profiles);
  return {
    ...level,
    outranked: level.outranked,
    name: settings.name,
    metric,
    unit: model.unit,
    labels: settings.labels,
    quantile: settings.quantile,
    place,
    sign: settings.above === undefined ? -1 : 1,
    recover: settings.recover ?? level.threshold,
    within,
    lasting,
    forecasts: settings.for,
    settings,
    watches: (server, profile) =>
      (names === undefined || names.some((name) => name.test(server))) &&
      (profiles === undefined || profiles.has(profile)),
    ignores: withinHours(settings.ignore),
    isQuiet: withinHours(settings.quiet),
  };
}

/** A name with * for any text. */
function pattern(text: string): RegExp {
  const parts = text.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
