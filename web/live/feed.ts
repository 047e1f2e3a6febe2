// Keeps the page up to date: loads everything, then follows the daemon's events, and reconnects when the connection is lost.
import { batch } from '@preact/signals';
import type { AlertEvent, Alerts, Overview, StepEvent } from '../../src/fleet/api.js';
import { EventParser, type StreamEvent } from '../state/events.js';
import { afterAlert, afterStep, announcement, fleetOf } from '../state/fleet.js';
import { getJson, getStream, hasKey, RequestError } from './request.js';
import { alerts, connection, fleet, heardAt, spoken } from './store.js';

const FIRST_WAIT = 1000;
const MAX_WAIT = 30_000;
/** While there is nothing to show, such as while the daemon loads its model. */
const MAX_FIRST_WAIT = 4000;
/** Events name the servers that have changed; all are reloaded from time to time, because some may have been removed. */
const RELOAD_EVERY = 600_000;
/** The daemon sends comments to keep the connection alive; if none arrives for this long, the connection is lost. */
const SILENCE = 60_000;

let current = new AbortController();
let wake: (() => void) | undefined;
/** The alerts already announced to screen readers. */
let announced: Alerts | undefined;

/** Follows for as long as the page lives. */
export async function feed(): Promise<void> {
  document.addEventListener('visibilitychange', () => {
    // A browser may drop a hidden page's connection without an event.
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
      // A connection that worked for a while is retried at once; one that never began, at growing intervals.
      const longest = fleet.value ? MAX_WAIT : MAX_FIRST_WAIT;
      wait = Date.now() - began > MAX_WAIT ? FIRST_WAIT : Math.min(wait * 1.7, longest);
      const why = error instanceof RequestError ? error.message : 'the connection broke off';
      // Whole seconds are shown; a random part keeps many pages from reconnecting at the same moment.
      connection.value = { phase: 'lost', why, retryAt: Date.now() + wait };
      await Promise.race([woken(), delay(wait * (0.9 + Math.random() * 0.2))]);
    }
  }
}

/** Reconnects at once. */
export function retry(): void {
  current.abort();
  wake?.();
}

/** Freezes the page, or resumes with the present data. */
export function pause(isPaused: boolean): void {
  connection.value = { phase: isPaused ? 'paused' : 'loading' };
  retry();
}

/** Reads until the stream ends, which is an error. */
async function live(signal: AbortSignal): Promise<never> {
  // The stream is opened first, so that no event between the two is missed.
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
  if (alerts.value && announced) {
    const text = announcement(announced, alerts.value);
    if (text !== '') spoken.value = text;
  }
  announced = alerts.value;
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
