// The file of alert rules: its schema, in YAML or JSON. docs/alerts.md describes it.
import { parse } from 'yaml';
import { z } from 'zod';
import { describeIssues, TFTError } from '../../contract/errors.js';
import { hoursSchema } from './hours.js';

const DURATION = /^(\d+(?:\.\d+)?)\s*(s|m|min|h|d)$/;
const MINUTES: Readonly<Record<string, number>> = { s: 1 / 60, m: 1, min: 1, h: 60, d: 1440 };

/** '90m', '4h': minutes. */
const duration = z.string().transform((text, context) => {
  const [, amount, unit] = DURATION.exec(text.trim()) ?? [];
  if (amount === undefined || unit === undefined) {
    context.addIssue({ code: 'custom', message: `'${text}' is no duration such as 30m, 4h or 1d` });
    return z.NEVER;
  }
  return Number(amount) * (MINUTES[unit] as number);
});

const list = z.union([z.string(), z.array(z.string()).min(1)]).transform((value) => [value].flat());
const labelName = z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'is no label name such as team');

const ruleSchema = z
  .strictObject({
    name: z.string().min(1),
    metric: z.string().optional().describe("the model's target by default"),
    quantile: z
      .number()
      .gt(0)
      .lt(1)
      .default(0.5)
      .describe('0.9 warns early and often, 0.1 when it is nearly certain'),
    above: z.number().optional(),
    below: z.number().optional(),
    within: duration.optional().describe("how far ahead to look; the model's horizon by default"),
    lasting: duration.optional().describe('for how long the forecast must stay across; one step by default'),
    for: z.int().min(1).max(1_000).default(2).describe('forecasts in a row before it fires'),
    recover: z
      .number()
      .optional()
      .describe('what the forecast must come back to before it ends; the threshold by default'),
    severity: z.string().min(1).optional(),
    warning: z
      .number()
      .optional()
      .describe('a nearer threshold that warns before the other; the severity of which is then critical'),
    labels: z.record(labelName, z.string()).default({}),
    servers: list.optional().describe('names, with * for any text; all by default'),
    profiles: list.optional(),
    ignore: z.array(hoursSchema).default([]).describe('hours whose forecast does not count: backups'),
    quiet: z.array(hoursSchema).default([]).describe('hours in which no notification is sent'),
  })
  .superRefine((rule, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if ((rule.above === undefined) === (rule.below === undefined)) {
      refuse('above', 'a rule has either above or below');
      return;
    }
    const sign = rule.above === undefined ? -1 : 1;
    const threshold = (rule.above ?? rule.below) as number;
    const side = sign > 0 ? 'below' : 'above';
    const nearer = rule.warning ?? threshold;
    if (rule.warning !== undefined && sign * (threshold - rule.warning) <= 0) {
      refuse('warning', `must be ${side} the threshold ${threshold}`);
    }
    if (rule.recover !== undefined && sign * (nearer - rule.recover) < 0) {
      refuse('recover', `must not be on the other side of ${nearer}: an alert would end while it is across`);
    }
  });

const target = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' }),
  headers: z.record(z.string(), z.string()).default({}),
});

const notifySchema = z.strictObject({
  alertmanager: z.array(target).default([]),
  webhooks: z
    .array(target.extend({ repeat: duration.default(240) }))
    .default([])
    .describe('each gets what Alertmanager sends to its webhooks; a firing alert again after `repeat`'),
  source: z.url().optional().describe('where people see more: the address of the page'),
});

const fileSchema = z.strictObject({
  rules: z.array(ruleSchema).min(1),
  notify: notifySchema.default({ alertmanager: [], webhooks: [] }),
});

export type RuleSettings = z.output<typeof ruleSchema>;
export type NotifySettings = z.output<typeof notifySchema>;
export type RuleFile = z.output<typeof fileSchema>;

/**
 * Reads the text of a file of rules.
 *
 * @param shown the file's name, for messages.
 * @throws TFTError ERR_TFT_RULES_INVALID that names what is wrong and where.
 */
export function parseRules(text: string, shown: string): RuleFile {
  let content: unknown;
  try {
    content = parse(text, { prettyErrors: true });
  } catch (cause) {
    const [first] = (cause as Error).message.split('\n');
    throw new TFTError('ERR_TFT_RULES_INVALID', `${shown} is neither YAML nor JSON: ${first}`, { cause });
  }
  const result = fileSchema.safeParse(content);
  if (!result.success) {
    throw new TFTError('ERR_TFT_RULES_INVALID', `${shown}: ${describeIssues(result.error)}`, {
      cause: result.error,
    });
  }
  const names = result.data.rules.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new TFTError('ERR_TFT_RULES_INVALID', `${shown}: two rules are called '${twice}'`);
  }
  return result.data;
}
