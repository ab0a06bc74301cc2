/* Tables whose pages, order and filter are the server's. */

import { button, h, icon, type Child } from './dom';

export interface Column<Row> {
  title: string;
  cell(row: Row): Child;
  /* By which field the server sorts it. */
  sort?: string;
}

export interface Choice<Row> {
  has(row: Row): boolean;
  toggle(rows: readonly Row[], on: boolean): void;
  label(row: Row): string;
}

export interface Page {
  /* Of the first row, from 0. */
  start: number;
  /* How many match as far as is known. */
  known: number;
  complete: boolean;
}

export interface TableOptions<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  key(row: Row): string;
  sort?: string;
  onSort?(sort: string): void;
  choice?: Choice<Row>;
}

export function table<Row>(options: TableOptions<Row>): HTMLElement {
  const { caption, columns, rows, choice } = options;
  return h(
    'div',
    { class: 'mavis-scroll', tabindex: 0, role: 'region', 'aria-label': caption, 'data-key': `scroll:${caption}` },
    h(
      'table',
      { class: 'mavis-table' },
      h('caption', { class: 'mavis-hidden' }, caption),
      h('thead', {}, h('tr', {}, choice && all(rows, choice), ...columns.map(each => header(each, options)))),
      h(
        'tbody',
        {},
        ...rows.map(row =>
          h(
            'tr',
            { 'data-row': options.key(row), class: choice?.has(row) ? 'is-chosen' : null },
            choice && h('td', { class: 'mavis-pick' }, pick(row, choice, options.key(row))),
            ...columns.map(column => h('td', {}, column.cell(row))),
          ),
        ),
      ),
    ),
  );
}

function header<Row>(column: Column<Row>, options: TableOptions<Row>): HTMLElement {
  const { sort: field, title } = column;
  const { sort = '', onSort } = options;
  if (field === undefined || onSort === undefined) return h('th', { scope: 'col' }, title);
  const up = sort === field;
  const down = sort === `-${field}`;
  return h(
    'th',
    { scope: 'col', 'aria-sort': up ? 'ascending' : down ? 'descending' : 'none' },
    h(
      'button',
      {
        type: 'button',
        class: 'mavis-sort',
        'data-key': `sort:${field}`,
        onclick: () => onSort(up ? `-${field}` : field),
      },
      title,
      icon(up ? 'up' : down ? 'down' : 'both'),
    ),
  );
}

function all<Row>(rows: readonly Row[], choice: Choice<Row>): HTMLElement {
  const chosen = rows.filter(row => choice.has(row)).length;
  const box = h('input', {
    type: 'checkbox',
    'aria-label': 'Select all on this page',
    'data-key': 'pick:all',
    onchange: () => choice.toggle(rows, chosen < rows.length),
  });
  box.checked = rows.length > 0 && chosen === rows.length;
  box.indeterminate = chosen > 0 && chosen < rows.length;
  return h('th', { scope: 'col', class: 'mavis-pick' }, box);
}

function pick<Row>(row: Row, choice: Choice<Row>, key: string): HTMLElement {
  const box = h('input', {
    type: 'checkbox',
    'aria-label': `Select ${choice.label(row)}`,
    'data-key': `pick:${key}`,
    onchange: () => choice.toggle([row], !choice.has(row)),
  });
  box.checked = choice.has(row);
  return box;
}

export function pager(page: Page, shown: number, size: number, go: (start: number) => void): HTMLElement {
  const { start, known, complete } = page;
  const last = start + shown;
  const total = complete ? String(known) : `more than ${known}`;
  return h(
    'div',
    { class: 'mavis-row mavis-pager' },
    h('span', {}, shown === 0 ? 'None' : `${start + 1}–${last} of ${total}`),
    button('Previous', () => go(Math.max(0, start - size)), { why: start === 0 ? 'This is the first page' : null }),
    button('Next', () => go(start + size), {
      why: complete && last >= known ? 'This is the last page' : null,
    }),
  );
}

/* A filter that is asked for as soon as somebody stops writing. */
export function filter(label: string, value: string, changed: (text: string) => void): HTMLElement {
  let timer = 0;
  const field = h('input', {
    type: 'search',
    placeholder: `${label}  ( / )`,
    'aria-label': label,
    'data-key': `filter:${label}`,
    spellcheck: 'false',
    maxlength: 200,
  });
  field.value = value;
  const tell = () => {
    window.clearTimeout(timer);
    changed(field.value.trim());
  };
  field.addEventListener('input', () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(tell, 250);
  });
  field.addEventListener('change', tell);
  return field;
}
