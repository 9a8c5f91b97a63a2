/** The page's tabs, as the ARIA practices have them: arrows move between them. */
import { get } from './elements.ts';

export const tabs = [...document.querySelectorAll<HTMLButtonElement>('[role=tab]')];

export function open(tab: HTMLButtonElement): void {
  for (const one of tabs) {
    const isOpen = one === tab;
    one.setAttribute('aria-selected', String(isOpen));
    one.tabIndex = isOpen ? 0 : -1;
    get(one.getAttribute('aria-controls')!).hidden = !isOpen;
  }
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener('click', () => open(tab));
  tab.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const next = tabs.filter((one) => !one.hidden).at((i + step) % tabs.length) ?? tab;
    open(next);
    next.focus();
  });
}
