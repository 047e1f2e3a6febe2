// The footer, the keyboard shortcuts, and the help dialog.
import { useEffect, useRef } from 'preact/hooks';
import { lastServers, route } from '../live/store.js';
import { toHash } from '../state/hash.js';
import { Choices } from './head.js';

const KEYS = [
  ['/', 'filter the servers'],
  ['↓ ↑', 'next and previous server, in the table'],
  ['Home End', 'first and last server, in the table'],
  ['Enter', 'open the server'],
  ['← →', 'earlier and later, in the slider under the chart'],
  ['Esc', 'back to the table; empty the filter'],
  ['?', 'this'],
] as const;

const TERMS = [
  ['Risk', 'the largest probability, over the steps ahead, that the target is over the threshold'],
  ['Peak ahead', 'the highest median, when, and between which values 80 % of outcomes lie'],
  ['Crosses', 'from when one outcome in ten is over the threshold, until when nine in ten are'],
  ['Data age', 'the age of the newest sample, and how many of the steps read had to be filled in'],
] as const;

export function Foot() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      const isTyping =
        target instanceof HTMLElement && target.matches('input:not([type=range]), select, textarea');
      if (event.key === 'Escape' && !dialog.current?.open) {
        if (route.value.view !== 'servers' && !isTyping) location.hash = toHash(lastServers.value);
      } else if (isTyping) return;
      else if (event.key === '?') dialog.current?.showModal();
      else if (event.key === '/' && !dialog.current?.open) {
        event.preventDefault();
        if (route.value.view !== 'servers') location.hash = toHash(lastServers.value);
        // The field exists once the view is rendered.
        requestAnimationFrame(() => setTimeout(() => document.getElementById('search')?.focus()));
      }
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
  return (
    <footer>
      <button type="button" aria-keyshortcuts="?" onClick={() => dialog.current?.showModal()}>
        Help
      </button>
      <a href="docs">API</a>
      <a href="metrics">Metrics</a>
      <Choices />
      <dialog ref={dialog} aria-labelledby="help-title">
        <h2 id="help-title">How to read this page</h2>
        <dl>
          {TERMS.map(([term, meaning]) => (
            <div key={term}>
              <dt>{term}</dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
        <h2>Keyboard</h2>
        <dl>
          {KEYS.map(([key, does]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
    </footer>
  );
}
