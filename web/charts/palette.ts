// The colours of the style sheet, for painting on a canvas.
import { computed, signal } from '@preact/signals';
import { theme } from '../live/store.js';

const dark = matchMedia('(prefers-color-scheme: dark)');
const isDark = signal(dark.matches);
dark.addEventListener('change', ({ matches }) => {
  isDark.value = matches;
});

/** Read again when the user or the system switches between light and dark. */
export const palette = computed(() => {
  // The style sheet chooses by this attribute, so it must be set before the colours are read.
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    isDark: theme.value === 'dark' || (theme.value === 'auto' && isDark.value),
    ink: colour('ink'),
    paper: colour('paper'),
    muted: colour('muted'),
    line: colour('line'),
    faint: colour('faint'),
    accent: colour('accent'),
    critical: colour('critical'),
    past: colour('past'),
    earlier: colour('earlier'),
  };
});
export type Palette = typeof palette.value;
