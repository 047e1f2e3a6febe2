// The messages shown instead of data: loading, no server yet, no answer, a key is needed.
import { useState } from 'preact/hooks';
import { retry } from '../live/feed.js';
import { forgetKey, type RequestError, setKey } from '../live/request.js';
import { connection, fleet, present } from '../live/store.js';
import { duration } from '../state/times.js';

export function Loading({ what }: { what: string }) {
  return (
    <p class="loading" role="status">
      Loading {what} …
    </p>
  );
}

/** An error, in a view without data. */
export function Failed({ error, what }: { error: RequestError; what: string }) {
  return (
    <section class="situation" role="alert">
      <h1>{error.status === 404 ? 'Not found' : `Could not load ${what}`}</h1>
      <p>{sentence(error.message)}</p>
    </section>
  );
}

/** The daemon has not answered since the page was opened. */
export function NoAnswer() {
  const state = connection.value;
  if (state.phase !== 'lost') return null;
  const wait = Math.max(0, Math.ceil((state.retryAt - present.value) / 1000));
  return (
    <section class="situation">
      <h1>No forecasts to show</h1>
      <p role="alert">{sentence(state.why)}</p>
      <p>
        Next try in {duration(wait)}.{' '}
        <button type="button" onClick={retry}>
          Try now
        </button>
      </p>
    </section>
  );
}

/** The form for the service's key. */
export function KeyForm() {
  const [key, change] = useState('');
  const state = connection.value;
  const wasRefused = state.phase === 'key-needed' && state.wasRefused;
  return (
    <form
      class="situation"
      onSubmit={(event) => {
        event.preventDefault();
        setKey(key.trim());
        retry();
      }}
    >
      <h1>API key</h1>
      <p id="key-help">
        This service answers with a key only. The key is kept until this tab is closed, and sent to no other
        place.
      </p>
      {wasRefused ? (
        <p class="refused" role="alert">
          The service does not know the key that was given.
        </p>
      ) : null}
      <label for="key">Key</label>
      <div class="line">
        <input
          id="key"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          aria-describedby="key-help"
          value={key}
          onInput={({ currentTarget }) => change(currentTarget.value)}
        />
        <button type="submit" class="main">
          Show the fleet
        </button>
        {wasRefused ? (
          <button
            type="button"
            onClick={() => {
              forgetKey();
              change('');
              retry();
            }}
          >
            Forget it
          </button>
        ) : null}
      </div>
    </form>
  );
}

/** A fleet without servers: how to add some. */
export function Empty() {
  const model = fleet.value?.about.model;
  const here = location.origin + location.pathname.replace(/\/$/, '');
  return (
    <section class="situation wide">
      <h1>No server yet</h1>
      <p>
        The daemon runs{model ? ` with the model ${model.name}` : ''} and waits for measurements. A server
        appears with its first sample; its forecasts count as warming up until the model's whole window is
        there.
      </p>
      <h2>From a Prometheus</h2>
      <p>Read the past day and every step from now on:</p>
      <pre>
        <code>tft fleet --prometheus http://prometheus:9090</code>
      </pre>
      <h2>From your own program</h2>
      <p>Send records as they are measured:</p>
      <pre>
        <code>
          {`curl ${here}/feed/data \\\n  -H 'Content-Type: application/json' -d '{"records": [\n` +
            `  {"timestamp": "${new Date().toISOString().slice(0, 19)}Z", "server_name": "web-01", "status": "healthy",\n` +
            `   "${model?.target ?? 'cpu_user_pct'}": 42.0}]}'`}
        </code>
      </pre>
      <h2>From a file</h2>
      <p>Play a recorded history:</p>
      <pre>
        <code>tft fleet --replay history.csv</code>
      </pre>
    </section>
  );
}

function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
