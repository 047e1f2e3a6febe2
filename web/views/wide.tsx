// A container for wide content: it scrolls by itself, also by keyboard, so the page does not become wider.
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

export function Wide({ label, children }: { label: string; children: ComponentChildren }) {
  const section = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const element = section.current as HTMLElement;
    const watch = new ResizeObserver(() => {
      // It can have the keyboard's focus only if it can be scrolled.
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
