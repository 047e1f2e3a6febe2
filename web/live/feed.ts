// Keeps the page up to date: loads everything, then follows the daemon's events, and begins again when the connection
// is lost.
import { batch } from '@preact/signals';
import type { AlertEvent, Alerts, Overview, StepEvent } from '../../src/fleet/api.js';
import { EventParser, type StreamEvent } from '../state/events.js';
import { afterAlert, afterStep, announcement, fleetOf } from '../state/fleet.js';
import { getJson, getStream, hasKey, RequestError } from './request.js';
import { alerts, connection, fleet, heardAt, spoken } from './store.js';

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;
/** While there is nothing to show, as when the daemon still loads its model. */
const LONGEST_FIRST_WAIT = 4000;
/** Events name the servers that have changed; now and then all are asked for, as some may be gone. */
const RELOAD_EVERY = 600_000;
/** A daemon that sends comments to keep the connection alive is lost when none has come for so long. */
const SILENCE = 60_000;

let current = new AbortController();
let wake: (() => void) | undefined;
/** The alerts that the screen reader knows of. */
let told: Alerts | undefined;

/** Follows for as long as the page lives. */
export async function feed(): Promise<void> {
  document.addEventListener('visibilitychange', () => {
    // A browser may let a hidden page's connection go without a word.
    const silence = Date.now() - (heardAt.value ?? 0);
    if (!document.hidden && connection.value.phase === 'live' && silence > SILENCE) retry();
  });
  addEventListener('online', () => {
    if (connection.value.phase === 'lost') retry();
  });
  let wait = FIRST_WAIT;
  for (;;) {
    current = new AbortController();
    const began = Date.now();
    try {
      await live(current.signal);
    } catch (error) {
      if (connection.value.phase === 'paused') {
        await woken();
        continue;
      }
      if (error instanceof RequestError && error.needsKey) {
        connection.value = { phase: 'key-needed', wasRefused: hasKey() };
        spoken.value = 'An API key is needed';
        await woken();
        continue;
      }
      // What ran for a while and broke is tried at once; what does not begin, ever more rarely.
      const longest = fleet.value ? LONGEST_WAIT : LONGEST_FIRST_WAIT;
      wait = Date.now() - began > LONGEST_WAIT ? FIRST_WAIT : Math.min(wait * 1.7, longest);
      const why = error instanceof RequestError ? error.message : 'the connection broke off';
      // Whole seconds are shown; a little chance keeps many pages from asking at the same moment.
      connection.value = { phase: 'lost', why, retryAt: Date.now() + wait };
      await Promise.race([woken(), delay(wait * (0.9 + Math.random() * 0.2))]);
    }
  }
}

/** Begins again at once. */
export function retry(): void {
  current.abort();
  wake?.();
}

/** Holds everything as it is, or goes on with what is so now. */
export function pause(isPaused: boolean): void {
  connection.value = { phase: isPaused ? 'paused' : 'loading' };
  retry();
}

/** Until the stream ends, which is an error. */
async function live(signal: AbortSignal): Promise<never> {
  // The stream is opened first, so that nothing happens unseen between the two.
  const stream = await getStream('fleet/events', signal);
  const [overview, allAlerts] = await Promise.all([
    getJson<Overview>('fleet/overview', signal),
    getJson<Alerts>('fleet/alerts', signal),
  ]);
  batch(() => {
    fleet.value = fleetOf(overview);
    alerts.value = allAlerts;
    connection.value = { phase: 'live' };
    heardAt.value = Date.now();
  });
  tell();
  await listen(stream.getReader(), overview.stepMinutes * 120_000 + SILENCE, signal);
  throw new RequestError(0, 'the daemon ended the connection');
}

async function listen(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  silence: number,
  signal: AbortSignal,
): Promise<void> {
  const parser = new EventParser();
  const text = new TextDecoder();
  let longest = silence;
  let loadedAt = Date.now();
  for (;;) {
    const watch = setTimeout(() => current.abort(new RequestError(0, 'nothing was heard any more')), longest);
    const { done, value } = await reader.read().finally(() => clearTimeout(watch));
    signal.throwIfAborted();
    if (done) return;
    const piece = text.decode(value, { stream: true });
    if (piece.startsWith(':')) longest = SILENCE;
    const events = parser.push(piece);
    batch(() => {
      heardAt.value = Date.now();
      for (const event of events) take(event);
    });
    if (!events.some(({ event }) => event === 'step')) continue;
    tell();
    if (Date.now() - loadedAt < RELOAD_EVERY) continue;
    loadedAt = Date.now();
    fleet.value = fleetOf(await getJson<Overview>('fleet/overview', signal));
  }
}

function take({ event, data }: StreamEvent): void {
  if (event === 'step' && fleet.value) fleet.value = afterStep(fleet.value, JSON.parse(data) as StepEvent);
  if (event === 'alert' && alerts.value) {
    alerts.value = afterAlert(alerts.value, JSON.parse(data) as AlertEvent);
  }
}

/** New alerts are announced at most once a step. */
function tell(): void {
  if (alerts.value && told) {
    const text = announcement(told, alerts.value);
    if (text !== '') spoken.value = text;
  }
  told = alerts.value;
}

function woken(): Promise<void> {
  return new Promise((resolve) => {
    wake = resolve;
  });
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
