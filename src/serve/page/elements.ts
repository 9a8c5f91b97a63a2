/** Elements of the page, by their ids, and what is said in them. */

/** @param id of an element that the page has */
export const get = <E extends HTMLElement>(id: string): E => document.getElementById(id) as E;

/** A new element with this text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  text = '',
  className = '',
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}

/** Says something under a form; what went wrong in another color. */
export function say(id: string, text: string, isFault = false): void {
  get(id).textContent = text;
  get(id).classList.toggle('fault', isFault);
}

/** Runs what a form asks for, and says what went wrong. */
export async function attempt(where: string, work: () => Promise<void>): Promise<void> {
  say(where, 'Working…');
  try {
    await work();
  } catch (error) {
    say(where, (error as Error).message, true);
  }
}
