/* How many records there are: bars over time, and values that narrow. */

import { button, h, type Child } from './dom';
import { local } from './times';

export interface Summary {
  total: number;
  step: string;
  until: string;
  buckets: readonly { begin: string; count: number }[];
  facets: readonly Facet[];
}

interface Facet {
  field: string;
  values: readonly { value: string | null; count: number }[];
  other: number;
}

const HEIGHT = 60;
const WIDTH = 10;
const SHOWN = 8;
const UNITS: Record<string, string> = { s: 's', m: 'min', h: 'h', d: 'd', w: 'weeks', mo: 'months', y: 'years' };
const SPACE = 'http://www.w3.org/2000/svg';

/* Bars over time; a click on one shows that stretch alone, as the fields of time do by keyboard. */
export function bars(found: Summary, narrow: (since: string, until: string) => void): HTMLElement {
  const most = Math.max(0, ...found.buckets.map(each => each.count));
  const words = `${found.total} records over time; a bar is ${step(found.step)}, the highest has ${most}`;
  const drawn = document.createElementNS(SPACE, 'svg');
  for (const [name, value] of Object.entries({
    class: 'mavis-bars',
    viewBox: `0 0 ${Math.max(1, found.buckets.length) * WIDTH} ${HEIGHT}`,
    preserveAspectRatio: 'none',
    role: 'img',
    'aria-label': words,
  })) {
    drawn.setAttribute(name, value);
  }
  found.buckets.forEach((each, at) => {
    const until = found.buckets[at + 1]?.begin ?? found.until;
    drawn.append(bar(at, each.count, most, `${local(each.begin)}: ${each.count}`, () => narrow(each.begin, until)));
  });
  return h(
    'div',
    { class: 'mavis-chart' },
    drawn,
    h('p', { class: 'mavis-dim', 'aria-hidden': 'true' }, `${found.total.toLocaleString()} records · a bar is ${step(found.step)}`),
  );
}

function bar(at: number, count: number, most: number, title: string, press: () => void): SVGElement {
  const group = document.createElementNS(SPACE, 'g');
  const told = document.createElementNS(SPACE, 'title');
  told.textContent = title;
  // What is there is seen, be it ever so little.
  const height = count > 0 ? Math.max((count / most) * HEIGHT, 2) : 0;
  group.append(told, rect(at, 0, HEIGHT, 'is-back'), rect(at, HEIGHT - height, height, 'is-bar'));
  if (count > 0) group.addEventListener('click', press);
  group.setAttribute('class', count > 0 ? 'is-full' : '');
  return group;
}

function rect(at: number, y: number, height: number, look: string): SVGElement {
  const made = document.createElementNS(SPACE, 'rect');
  const values = { x: at * WIDTH + 1, y, width: WIDTH - 2, height };
  for (const [name, value] of Object.entries(values)) made.setAttribute(name, String(value));
  made.setAttribute('class', look);
  return made;
}

function step(text: string): string {
  const number = parseInt(text, 10);
  return `${number} ${UNITS[text.slice(String(number).length)] ?? ''}`;
}

export interface Narrowing {
  /* What stands above the values of a field; fields without a title are not shown. */
  titles: Record<string, string>;
  /* What is sought now, by field. */
  sought: Record<string, string>;
  narrow(field: string, value: string): void;
}

/* The most frequent values of each field, with how often they come; a click on one narrows. */
export function facets(found: Summary, { titles, sought, narrow }: Narrowing): HTMLElement {
  const shown = found.facets.filter(each => titles[each.field] !== undefined);
  return h('div', { class: 'mavis-facets' }, ...shown.map(each => facet(each)));

  function facet({ field, values, other }: Facet): HTMLElement {
    const title = titles[field] ?? field;
    const top = values.slice(0, SHOWN);
    const rest = other + values.slice(SHOWN).reduce((sum, each) => sum + each.count, 0);
    return h(
      'div',
      { class: 'mavis-facet' },
      h('h4', {}, title),
      h(
        'ul',
        { class: 'mavis-list', 'aria-label': title },
        ...top.map(each => h('li', {}, value(field, each.value), count(each.count))),
        rest > 0 && h('li', {}, h('span', { class: 'mavis-dim' }, 'others'), count(rest)),
        top.length === 0 && h('li', { class: 'mavis-dim' }, 'none'),
      ),
    );
  }

  function value(field: string, text: string | null): Child {
    if (text === null) return h('span', { class: 'mavis-dim' }, 'none');
    if (sought[field] === text) return h('strong', {}, text);
    if (text.includes(',')) return h('span', {}, text); // it would be read as several
    return button(text, () => narrow(field, text), {
      kind: 'bare',
      key: `facet:${field}:${text}`,
      label: `Only ${titles[field] ?? field} ${text}`,
    });
  }
}

function count(number: number): HTMLElement {
  return h('span', { class: 'mavis-count' }, number.toLocaleString());
}
