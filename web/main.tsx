// The entry point of the fleet's page.
import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import './styles/theme.css';
import './styles/frame.css';
import './styles/table.css';
import './styles/server.css';
import { feed } from './live/feed.js';
import { follow } from './live/store.js';
import { Page } from './views/page.js';

follow();
void feed();
render(<Page />, document.getElementById('page') as HTMLElement);
