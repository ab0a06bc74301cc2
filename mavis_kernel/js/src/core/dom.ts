/* Elements. Text goes in as text: nothing that comes from the appliance becomes markup. */

export type Child = Node | string | number | null | undefined | false;
type Listener = (event: Event) => void;
type Value = string | number | boolean | null | undefined | Listener;

/* Make an element: on* are listeners, true sets a bare attribute, null and false leave it out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  given: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? '' : String(value));
  }
  append(made, ...children);
  return made;
}

export function append(parent: Element, ...children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

/* Replace what is in an element; the focus stays on the element with the same data-key. */
export function fill(parent: Element, ...children: Child[]): void {
  const active = parent.contains(document.activeElement) ? document.activeElement : null;
  const key = active?.getAttribute('data-key');
  parent.replaceChildren();
  append(parent, ...children);
  if (key !== null && key !== undefined) {
    const again = parent.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);
    again?.focus({ preventScroll: true });
  }
}

const SHAPES = {
  check: 'M3 8.5 6.5 12 13 4.5',
  cross: 'M4 4l8 8M12 4l-8 8',
  bang: 'M8 3v6M8 11.5v1.5',
  clock: 'M8 4v4l2.5 2M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  dot: 'M11 8a3 3 0 1 1-6 0 3 3 0 0 1 6 0Z',
  ring: 'M12.5 8a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0Z',
  square: 'M4.5 4.5h7v7h-7z',
  refresh: 'M13 4v3.5H9.5M13 7.5A5.5 5.5 0 1 0 13.2 10',
  out: 'M6 4H3.5v8.5H12V10M9 3.5h3.5V7M12.5 3.5 7.5 8.5',
  up: 'M4 10l4-4 4 4',
  down: 'M4 6l4 4 4-4',
  both: 'M5 6.5l3-3 3 3M5 9.5l3 3 3-3',
  copy: 'M6 6h7v7H6zM3.5 10V3.5H10',
} as const;

export type Shape = keyof typeof SHAPES;

export function icon(shape: Shape): SVGSVGElement {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', `mavis-icon${shape === 'dot' ? ' is-full' : ''}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(space, 'path');
  path.setAttribute('d', SHAPES[shape]);
  svg.append(path);
  return svg;
}

interface ButtonOptions {
  key?: string;
  kind?: 'plain' | 'first' | 'bare' | 'grave';
  /* Why it cannot be pressed now; it stays reachable, so that everybody finds out. */
  why?: string | null | undefined;
  label?: string;
  shape?: Shape;
}

export function button(text: string, press: () => void, options: ButtonOptions = {}): HTMLButtonElement {
  const { why } = options;
  return h(
    'button',
    {
      type: 'button',
      class: `mavis-button is-${options.kind ?? 'plain'}`,
      'data-key': options.key ?? text,
      'aria-label': options.label ?? null,
      'aria-disabled': why ? 'true' : null,
      title: why ?? options.label ?? null,
      onclick: () => {
        if (!why) press();
      },
    },
    options.shape && icon(options.shape),
    text && h('span', {}, text),
  );
}

/* A link to one of Mavis's own pages, in a tab of its own. */
export function link(text: string, url: string): HTMLElement {
  if (!/^https?:\/\//.test(url)) return h('span', {}, text);
  return h(
    'a',
    { href: url, target: '_blank', rel: 'noopener', class: 'mavis-link', 'data-key': url },
    text,
    icon('out'),
    h('span', { class: 'mavis-hidden' }, ' (opens a new tab)'),
  );
}

/* An id: monospaced; a click copies it. */
export function ident(id: string, shown = id): HTMLElement {
  const made = h(
    'button',
    { type: 'button', class: 'mavis-id', title: `Copy ${id}`, 'data-key': `id:${id}` },
    h('code', {}, shown),
    icon('copy'),
  );
  made.addEventListener('click', event => {
    event.stopPropagation();
    void copy(id).then(done => {
      made.classList.toggle('is-copied', done);
      made.title = done ? `Copied ${id}` : `Select and copy: ${id}`;
    });
  });
  return made;
}

export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h('textarea', { class: 'mavis-hidden' });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy'); // where the page is not secure there is no other way
    field.remove();
    return done;
  }
}
