/* Records: who did what to which thing, when, from where, and how it ended. */

import { bars, facets, type Summary } from './core/counts';
import { append, button, fill, h, ident, link, type Child } from './core/dom';
import { failureOf, widget } from './core/frame';
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

const WAYS = { query: 'as text', words: 'as words', regex: 'as expression' } as const;
const CHOICES = {
  outcome: { title: 'Outcome', words: ['ok', 'failed', 'refused'] },
  origin: { title: 'Who says so', words: ['observed', 'reported'] },
  kind: { title: 'Kind', words: ['audit', 'operation'] },
} as const;
const TITLES = { outcome: 'Outcome', action: 'Action', person: 'Person', kind: 'Kind', origin: 'Who says so', source: 'From' };
const WIDE = 1000; // as in the style sheet

type Way = keyof typeof WAYS;
type Choice = keyof typeof CHOICES;
type Text = 'person' | 'action' | 'source' | 'since' | 'until';
type Sought = Record<Way | Choice | Text, string>;

const NONE: Sought = {
  query: '',
  words: '',
  regex: '',
  person: '',
  action: '',
  source: '',
  outcome: '',
  origin: '',
  kind: '',
  since: '',
  until: '',
};

export default widget('Records', frame => {
  let found: Found | null = null;
  let start = 0;
  let counting = 0;
  const chart = h('div', {});
  const aside = h('details', { class: 'mavis-aside' });
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
  const field = (name: Text, label: string) => {
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

  const choice = (name: Choice) => {
    const { title, words } = CHOICES[name];
    const input = h(
      'select',
      { 'data-key': name, onchange: () => seek({ [name]: input.value }) },
      h('option', { value: '' }, 'any'),
      ...words.map(word => h('option', { value: word }, word)),
    );
    return h('label', { class: 'mavis-field' }, title, input);
  };

  /* In which way the text is sought: one of them has it, the others are empty. */
  const wayNow = () => (Object.keys(WAYS) as Way[]).find(each => sought()[each]) ?? 'query';
  const way = h(
    'select',
    {
      'aria-label': 'How the text is sought',
      'data-key': 'way',
      onchange: () => seekText(sought()[wayNow()]),
    },
    ...Object.entries(WAYS).map(([value, words]) => h('option', { value }, words)),
  );
  const seekText = (text: string) => seek({ query: '', words: '', regex: '', [way.value]: text });

  const showFilter = () => {
    const now = sought();
    const text = now[wayNow()];
    if (text) way.value = wayNow();
    for (const [name, value] of Object.entries({ ...now, text })) {
      const at = name === 'text' ? 'input[type=search]' : `[data-key=${name}]`;
      const input = fields.querySelector<HTMLInputElement | HTMLSelectElement>(at);
      if (input === null || input === document.activeElement) continue;
      input.value = input.type === 'datetime-local' && value ? here(value) : value;
    }
  };

  const count = () => {
    const mine = (counting += 1);
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    frame
      .ask<Summary>('summary', { filter: sought(), zone })
      .then(answer => {
        if (mine === counting) frame.keep(() => showCounts(answer));
      })
      .catch((error: unknown) => {
        if (mine === counting) showUncounted(failureOf(error).message);
      });
  };

  const showCounts = (counted: Summary) => {
    fill(chart, counted.total > 0 && bars(counted, (since, until) => seek({ since: iso(since), until: iso(until) })));
    fill(
      aside,
      h('summary', { 'data-key': 'counts' }, `By field (${counted.total.toLocaleString()} records)`),
      facets(counted, {
        titles: TITLES,
        sought: sought(),
        narrow: (name, value) => seek({ [name]: value }),
      }),
    );
  };

  const showUncounted = (why: string) => {
    fill(chart);
    fill(aside, h('summary', { 'data-key': 'counts' }, 'Not counted'), h('p', { class: 'mavis-dim' }, why));
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
            h('div', { class: 'mavis-row' }, filter('Find in records', sought()[wayNow()], seekText), way),
            h(
              'div',
              { class: 'mavis-fields is-four' },
              field('person', 'Person'),
              field('action', 'Action begins with'),
              field('since', 'Since'),
              field('until', 'Before'),
            ),
            h(
              'details',
              { open: (['outcome', 'origin', 'kind', 'source'] as const).some(each => sought()[each]) },
              h('summary', { 'data-key': 'more' }, 'More filters'),
              h(
                'div',
                { class: 'mavis-fields is-four' },
                choice('outcome'),
                choice('origin'),
                choice('kind'),
                field('source', 'From exactly'),
              ),
            ),
          );
          aside.open = frame.root.clientWidth > WIDE;
          fill(frame.body, fields, chart, h('div', { class: 'mavis-split' }, aside, rows));
          showFilter();
        }
        frame.keep(show);
        frame.say(`${answer.rows.length} records shown`);
      },
    );

  const loadAll = () => {
    load(true);
    count();
  };

  frame.on(['filter'], () => {
    start = 0;
    showFilter();
    loadAll();
  });
  ofProject(frame, 'Records(picker)', loadAll);
});

const iso = (text: string) => new Date(text).toISOString();

/* A moment as a field for the reader's own time takes it. */
function here(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
