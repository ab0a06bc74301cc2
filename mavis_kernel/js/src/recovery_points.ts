/* Recovery points: which there are, why, until when, and what bringing one back would do. */

import { Bulk, type Action } from './core/bulk';
import { append, button, fill, h, ident, link } from './core/dom';
import { failureOf, widget, type Failure } from './core/frame';
import { ofProject } from './core/project';
import { badge, empty, problem } from './core/states';
import { filter, pager, table, type Column, type Page } from './core/table';
import { moment } from './core/times';

interface Point {
  id: string;
  instance_name: string;
  instance_id: string;
  state: string;
  taken_at: string | null;
  created_at: string;
  region: string;
  environment: string;
  plan: string | null;
  rule: string | null;
  size_gib: number;
  hold: { by: string; reason: string } | null;
  lock: { mode: string; until: string } | null;
  proof: { ok: boolean; at: string; why: string | null } | null;
  error: Omit<Failure, 'kind'> | null;
  run_id: string | null;
}

interface Copy {
  copy: string;
  role: string;
  environment: string;
  region: string;
  state: string;
  fate: string;
  goes_at: string | null;
  sentence: string;
  reasons: { code: string; sentence: string }[];
}

interface Disk {
  volume_id: string;
  device: string;
  size_gib: number;
}

interface Explanation {
  copies: Copy[];
  disks: Disk[];
}

interface Found extends Page {
  rows: Point[];
}

const RESTORES: readonly Action[] = [
  { name: 'restore.volumes', title: 'New volumes' },
  { name: 'restore.instance', title: 'New instance' },
  { name: 'restore.in_place', title: 'In place …' },
];
const DELETE: Action = { name: 'recovery_point.delete', title: 'Delete …' };
const STATES = ['complete', 'partial', 'running', 'planned', 'failed', 'expiring', 'gone'];

export default widget('Recovery points', frame => {
  let found: Found | null = null;
  let start = 0;
  let open: string | null = null;
  const rows = h('div', { class: 'mavis-group' });
  const detail = h('div', { class: 'mavis-group' });
  const bar = h('div', { class: 'mavis-row' });
  const size = () => frame.get<number>('page_size');
  const chosen = () => frame.get<readonly string[]>('selected');
  const bulk = new Bulk(frame, 'recovery point', () => load(true));

  const columns: readonly Column<Point>[] = [
    {
      title: 'Instance',
      sort: 'instance',
      cell: row => h('strong', {}, row.instance_name || row.instance_id),
    },
    {
      title: 'Details',
      cell: row =>
        button(open === row.id ? 'Hide' : 'Why and restore', () => toggle(row), {
          key: `open:${row.id}`,
          label: `${open === row.id ? 'Hide' : 'Why and restore'}: ${row.instance_name || row.id}`,
        }),
    },
    { title: 'State', sort: 'state', cell: row => badge(row.state, row.state === 'running' ? 'busy' : undefined) },
    { title: 'Taken', sort: 'taken_at', cell: row => moment(row.taken_at, 'not yet') },
    { title: 'Kept by', cell: row => kept(row) },
    { title: 'Proof', cell: row => proof(row) },
    { title: 'Size', cell: row => `${row.size_gib} GiB` },
  ];

  const kept = (row: Point) => {
    if (row.hold !== null) return badge('hold', 'warn');
    if (row.lock !== null) return badge('locked', 'good');
    return row.plan === null ? 'a person' : `${row.plan} / ${row.rule ?? 'no rule'}`;
  };

  const proof = (row: Point) => {
    if (row.proof === null) return h('span', { class: 'mavis-dim' }, 'never tried');
    return badge(row.proof.ok ? 'restores' : 'does not restore', row.proof.ok ? 'good' : 'bad');
  };

  const toggle = (row: Point) => {
    open = open === row.id ? null : row.id;
    show();
    fill(detail);
    if (open === null) return;
    fill(detail, h('p', { class: 'mavis-loading' }, 'Asking why it is there …'));
    frame.closes(() => {
      open = null;
      fill(detail);
      show();
    });
    frame
      .ask<Explanation>('explain', { point: row.id })
      .then(told => {
        if (open === row.id) fill(detail, explained(row, told));
      })
      .catch((error: unknown) => fill(detail, problem(failureOf(error), () => toggle(row))));
  };

  const explained = (row: Point, told: Explanation) => {
    const whole = row.state === 'complete';
    const why = whole ? null : `It is ${row.state}: only a complete one brings everything back`;
    return h(
      'div',
      { class: 'mavis-panel', role: 'group', 'aria-label': `Recovery point of ${row.instance_name}` },
      h(
        'p',
        { class: 'mavis-panel-title' },
        `${row.instance_name || row.instance_id}, taken `,
        moment(row.taken_at, 'not yet'),
        ident(row.id),
      ),
      row.error !== null && problem({ ...row.error, kind: 'failed', field: null, request_id: null }),
      row.hold !== null && h('p', {}, `${row.hold.by} holds it: ${row.hold.reason}`),
      row.lock !== null && h('p', {}, `Locked (${row.lock.mode}) until `, moment(row.lock.until)),
      h('h4', {}, 'Why it is kept, and when it goes'),
      h(
        'ul',
        { class: 'mavis-list' },
        ...told.copies.map(each =>
          h(
            'li',
            {},
            h(
              'div',
              { class: 'mavis-row' },
              badge(each.state),
              h('strong', {}, `${each.role} in ${each.environment}, ${each.region}`),
              h('span', {}, each.sentence),
              each.goes_at !== null && h('span', { class: 'mavis-dim' }, 'goes ', moment(each.goes_at)),
            ),
            h(
              'ul',
              { class: 'mavis-effects mavis-dim' },
              ...each.reasons.map(reason => h('li', {}, reason.sentence)),
            ),
          ),
        ),
      ),
      h('h4', {}, `What it holds: ${told.disks.length} ${told.disks.length === 1 ? 'volume' : 'volumes'}`),
      h(
        'ul',
        { class: 'mavis-list' },
        ...told.disks.map(each =>
          h('li', { class: 'mavis-row' }, ident(each.volume_id), `${each.device} ${each.size_gib} GiB`),
        ),
      ),
      h('h4', {}, 'Bring it back'),
      h(
        'div',
        { class: 'mavis-row' },
        ...RESTORES.map(each => button(each.title, () => bulk.begin(each, [row.id]), { why })),
        button(DELETE.title, () => bulk.begin(DELETE, [row.id]), { kind: 'grave' }),
        row.run_id !== null &&
          link('Its Run', frame.page('projects', frame.get<string>('project'), 'runs', row.run_id)),
      ),
      h('p', { class: 'mavis-dim' }, 'Each shows its plan first.'),
    );
  };

  const toggleRows = (points: readonly Point[], on: boolean) => {
    const ids = new Set(chosen());
    for (const each of points) {
      if (on) ids.add(each.id);
      else ids.delete(each.id);
    }
    frame.set({ selected: [...ids] });
    frame.say(`${ids.size} selected`);
  };

  const show = () => {
    if (found === null) return;
    const ids = new Set(chosen());
    fill(rows);
    if (found.rows.length === 0 && start === 0) {
      append(rows, nothing());
    } else {
      append(
        rows,
        table<Point>({
          caption: 'Recovery points',
          columns,
          rows: found.rows,
          key: row => row.id,
          sort: frame.get('sort'),
          onSort: sort => frame.set({ sort }),
          choice: {
            has: row => ids.has(row.id),
            toggle: toggleRows,
            label: row => `that of ${row.instance_name || row.instance_id}, ${row.created_at}`,
          },
        }),
        pager(found, found.rows.length, size(), to => {
          start = to;
          load(false);
        }),
      );
    }
    fill(
      bar,
      ids.size > 0 && h('span', {}, `${ids.size} selected`),
      ids.size > 0 && button('Select none', () => frame.set({ selected: [] }), { kind: 'bare' }),
      ids.size > 0 && button('Delete …', () => bulk.begin(DELETE, [...ids]), { kind: 'grave', key: 'delete' }),
    );
  };

  const nothing = () => {
    const instance = frame.get<string>('instance');
    const state = frame.get<string>('state');
    if (instance !== '' || state !== '') {
      return empty(
        `No recovery point${instance ? ` of “${instance}”` : ''}${state ? ` is ${state}` : ''}`,
        button('Clear the filter', () => frame.set({ instance: '', state: '' })),
      );
    }
    return empty(
      'There is no recovery point yet',
      'Take one in InstanceTable, or let a backup plan take them: BackupPlanEditor.',
    );
  };

  const load = (fresh: boolean) =>
    void frame.load(
      () =>
        frame.ask<Found>('rows', {
          instance: frame.get('instance'),
          state: frame.get('state'),
          sort: frame.get('sort'),
          start,
          size: size(),
          fresh,
        }),
      answer => {
        found = answer;
        start = answer.start;
        if (!frame.body.contains(rows)) {
          fill(frame.body, h('div', { class: 'mavis-row' }, ...filters()), rows, bar, detail, bulk.root);
        }
        frame.keep(show);
      },
    );

  const filters = () => {
    const word = h(
      'select',
      { 'aria-label': 'State', 'data-key': 'state', onchange: () => frame.set({ state: word.value }) },
      h('option', { value: '' }, 'any state'),
      ...STATES.map(each => h('option', { value: each, selected: each === frame.get('state') }, each)),
    );
    const sought = filter('Name or cloud id of an instance', frame.get('instance'), instance => {
      if (instance !== frame.get('instance')) frame.set({ instance });
    });
    return [sought, word];
  };

  frame.on(['instance', 'state', 'sort'], () => {
    start = 0;
    const field = frame.body.querySelector<HTMLInputElement>('input[type=search]');
    if (field !== null && field !== document.activeElement) field.value = frame.get('instance');
    const word = frame.body.querySelector<HTMLSelectElement>('select[data-key=state]');
    if (word !== null) word.value = frame.get('state');
    load(true);
  });
  frame.on(['selected'], () => frame.keep(show));
  ofProject(frame, 'RecoveryPoints(picker)', () => load(true));
});
