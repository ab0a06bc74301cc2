/* Records: who did what to which thing, when, from where, and how it ended. */

import { append, button, fill, h, ident, link, type Child } from './core/dom';
import { widget } from './core/frame';
import { ofProject } from './core/project';
import { badge, empty } from './core/states';
import { filter, pager, table, type Column, type Page } from './core/table';
import { moment } from './core/times';

interface Row {
  id: string;
  time: string;
  kind: string;
  phase: string;
  action: string;
  person: string;
  object: string;
  outcome: string | null;
  error_code: string | null;
  summary: string;
  correlation_id: string;
  source: string;
}

interface Found extends Page {
  rows: Row[];
}

type Sought = Record<'query' | 'person' | 'action' | 'since' | 'until', string>;

const NONE: Sought = { query: '', person: '', action: '', since: '', until: '' };

export default widget('Records', frame => {
  let found: Found | null = null;
  let start = 0;
  const rows = h('div', { class: 'mavis-group' });
  const fields = h('div', { class: 'mavis-group' });
  const size = () => frame.get<number>('page_size');
  const sought = () => ({ ...NONE, ...frame.get<Partial<Sought>>('filter') });

  const seek = (change: Partial<Sought>) => {
    const next = { ...sought(), ...change };
    if (JSON.stringify(next) !== JSON.stringify(sought())) frame.set({ filter: next });
  };

  const columns: readonly Column<Row>[] = [
    { title: 'When', cell: row => moment(row.time) },
    {
      title: 'Who',
      cell: row => button(row.person, () => seek({ person: row.person }), { kind: 'bare', label: `Only ${row.person}` }),
    },
    { title: 'Action', cell: row => h('code', {}, row.action) },
    {
      title: 'What',
      cell: row => h('span', { class: 'mavis-text' }, row.summary),
    },
    { title: 'Outcome', cell: row => outcome(row) },
    { title: 'Story', cell: row => link('Story', frame.page('stories', row.correlation_id)) },
    { title: 'Object', cell: row => ident(row.object) },
    { title: 'From', cell: row => row.source },
  ];

  const outcome = (row: Row): Child => {
    if (row.outcome === null) return badge(row.phase, 'off');
    return h('span', {}, badge(row.outcome), row.error_code !== null && ` ${row.error_code}`);
  };

  const show = () => {
    if (found === null) return;
    fill(rows);
    if (found.rows.length > 0 || start > 0) {
      append(
        rows,
        table<Row>({ caption: 'Records', columns, rows: found.rows, key: row => row.id }),
        pager(found, found.rows.length, size(), to => {
          start = to;
          load(false);
        }),
      );
    } else if (Object.values(sought()).some(Boolean)) {
      append(rows, empty('No record matches', button('Clear the filter', () => frame.set({ filter: NONE }))));
    } else {
      append(rows, empty('Nothing was recorded yet', 'Whatever is asked for, done or refused here leaves a record.'));
    }
  };

  /* The field of one word of the filter; times are the reader's own. */
  const field = (name: 'person' | 'action' | 'since' | 'until', label: string) => {
    const isTime = name === 'since' || name === 'until';
    const input = h('input', {
      type: isTime ? 'datetime-local' : 'text',
      'data-key': name,
      maxlength: 200,
      spellcheck: 'false',
      onchange: () => {
        const text = input.value.trim();
        seek({ [name]: isTime && text ? new Date(text).toISOString() : text });
      },
    });
    return h('label', { class: 'mavis-field' }, label, input);
  };

  const showFilter = () => {
    for (const [name, text] of Object.entries(sought())) {
      const input = fields.querySelector<HTMLInputElement>(name === 'query' ? 'input[type=search]' : `[data-key=${name}]`);
      if (input === null || input === document.activeElement) continue;
      input.value = input.type === 'datetime-local' && text ? here(text) : text;
    }
  };

  const load = (fresh: boolean) =>
    void frame.load(
      () => frame.ask<Found>('rows', { filter: sought(), start, size: size(), fresh }),
      answer => {
        found = answer;
        start = answer.start;
        if (!frame.body.contains(rows)) {
          fill(
            fields,
            h('div', { class: 'mavis-row' }, filter('Find in records', sought().query, query => seek({ query }))),
            h(
              'div',
              { class: 'mavis-fields is-four' },
              field('person', 'Person'),
              field('action', 'Action begins with'),
              field('since', 'Since'),
              field('until', 'Before'),
            ),
          );
          fill(frame.body, fields, rows);
          showFilter();
        }
        frame.keep(show);
        frame.say(`${answer.rows.length} records shown`);
      },
    );

  frame.on(['filter'], () => {
    start = 0;
    showFilter();
    load(true);
  });
  ofProject(frame, 'Records(picker)', () => load(true));
});

/* A moment as a field for the reader's own time takes it. */
function here(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
