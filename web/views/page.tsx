// The whole page: its head, and the view that the address names.
import { useEffect, useRef } from 'preact/hooks';
import { connection, counts, fleet, route, spoken } from '../live/store.js';
import { AccuracyView } from './accuracy.js';
import { AlertsView } from './alerts.js';
import { EngineView } from './engine.js';
import { Foot } from './foot.js';
import { Head } from './head.js';
import { ServerPage } from './server.js';
import { ServersView } from './servers.js';
import { Empty, KeyForm, Loading, NoAnswer } from './situations.js';

export function Page() {
  const main = useRef<HTMLElement>(null);
  const { view } = route.value;
  const name = route.value.view === 'server' ? route.value.server : '';
  const place = `${view} ${name}`;
  const before = useRef(place);
  useEffect(() => {
    const { critical } = counts.value.levels;
    const title = name !== '' ? name : view === 'servers' ? 'Fleet' : `Fleet: ${view}`;
    document.title = critical > 0 && name === '' ? `${critical} critical · ${title}` : title;
  });
  useEffect(() => {
    if (before.current === place) return;
    before.current = place;
    // A new view begins at its top, for eyes and for the keyboard.
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [place]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <Head />
      <main id="main" ref={main} tabIndex={-1}>
        <View />
      </main>
      <p class="unseen" role="status">
        {spoken}
      </p>
      <Foot />
    </>
  );
}

function View() {
  const { phase } = connection.value;
  const shown = route.value;
  if (phase === 'key-needed') return <KeyForm />;
  if (!fleet.value) return phase === 'lost' ? <NoAnswer /> : <Loading what="the fleet" />;
  if (shown.view === 'alerts') return <AlertsView />;
  if (shown.view === 'accuracy') return <AccuracyView />;
  if (shown.view === 'engine') return <EngineView />;
  if (shown.view === 'server') return <ServerPage key={shown.server} shown={shown} />;
  return fleet.value.rows.length === 0 ? <Empty /> : <ServersView />;
}
