// What may be wider than the window: it scrolls in itself, by the keyboard too, and the page stays as wide as it is.
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

export function Wide({ label, children }: { label: string; children: ComponentChildren }) {
  const section = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const element = section.current as HTMLElement;
    const watch = new ResizeObserver(() => {
      // Only what can be scrolled is a stop for the keyboard.
      if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
      else element.removeAttribute('tabindex');
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return (
    <section ref={section} class="wide" aria-label={label}>
      {children}
    </section>
  );
}
