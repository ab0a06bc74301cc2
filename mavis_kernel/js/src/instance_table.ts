/* The machines of a project: pages, filter and order of the server, a selection, bulk actions. */

import { Bulk, type Action } from './core/bulk';
import { append, button, fill, h, ident } from './core/dom';
import { widget } from './core/frame';
import { ofProject } from './core/project';
import { badge, empty } from './core/states';
import { filter, pager, table, type Column, type Page } from './core/table';
import { moment } from './core/times';

interface Machine {
  id: string;
  name: string;
  cloud_id: string;
  state: string;
  environment: string;
  region: string;
  seen_at: string;
}

interface Found extends Page {
  rows: Machine[];
  discovered: boolean;
}

const ACTIONS: readonly Action[] = [
  { name: 'recovery_point.create', title: 'Take recovery point' },
  { name: 'resource.start', title: 'Start' },
  { name: 'resource.stop', title: 'Stop …' },
  { name: 'resource.tag', title: 'Tag …' },
];

const COLUMNS: readonly Column<Machine>[] = [
  { title: 'Name', sort: 'name', cell: row => h('strong', {}, row.name || '(no name)') },
  { title: 'State', sort: 'state', cell: row => badge(row.state, row.state === 'running' ? 'good' : undefined) },
  { title: 'Environment', cell: row => row.environment },
  { title: 'Region', sort: 'region', cell: row => row.region },
  { title: 'Cloud id', cell: row => ident(row.cloud_id) },
  { title: 'Seen', sort: 'seen_at', cell: row => moment(row.seen_at) },
];

export default widget('Instances', frame => {
  let found: Found | null = null;
  let start = 0;
  const rows = h('div', { class: 'mavis-group' });
  const bar = h('div', { class: 'mavis-row' });
  const size = () => frame.get<number>('page_size');
  const chosen = () => frame.get<readonly string[]>('selected');
  const bulk = new Bulk(frame, 'instance', () => load(true));

  const choose = (ids: readonly string[]) => {
    frame.set({ selected: ids });
    frame.say(`${ids.length} selected`);
  };

  const toggle = (machines: readonly Machine[], on: boolean) => {
    const ids = new Set(chosen());
    for (const each of machines) {
      if (on) ids.add(each.id);
      else ids.delete(each.id);
    }
    choose([...ids]);
  };

  const chooseAll = () => {
    frame
      .ask<{ ids: string[] }>('all', { query: frame.get('query') })
      .then(({ ids }) => choose(ids))
      .catch(() => frame.refresh());
  };

  const showBar = () => {
    const count = chosen().length;
    const { known = 0, complete = true } = found ?? {};
    const why = count === 0 ? 'Select machines first' : null;
    const every = complete ? `Select all ${known}` : `Select all that match (more than ${known})`;
    fill(
      bar,
      h('span', {}, count === 0 ? 'None selected' : `${count} selected`),
      known > 0 && count < known && button(every, chooseAll, { kind: 'bare', key: 'every' }),
      count > 0 && button('Select none', () => choose([]), { kind: 'bare' }),
      ...ACTIONS.map(each => button(each.title, () => bulk.begin(each, chosen()), { why })),
    );
  };

  const show = () => {
    if (found === null) return;
    const query = frame.get<string>('query');
    const ids = new Set(chosen());
    fill(rows);
    if (found.rows.length === 0 && start === 0) {
      append(rows, nothing(query, found.discovered));
    } else {
      append(
        rows,
        table<Machine>({
          caption: 'Instances',
          columns: COLUMNS,
          rows: found.rows,
          key: row => row.id,
          sort: frame.get('sort'),
          onSort: sort => frame.set({ sort }),
          choice: { has: row => ids.has(row.id), toggle, label: row => row.name || row.cloud_id },
        }),
        pager(found, found.rows.length, size(), to => {
          start = to;
          load(false);
        }),
      );
    }
    showBar();
  };

  const nothing = (query: string, discovered: boolean) => {
    if (query !== '') {
      return empty(`No instance matches “${query}”`, button('Clear the filter', () => frame.set({ query: '' })));
    }
    if (discovered) return empty('There is no instance in the environments of this project');
    return empty(
      'Nothing has been discovered yet',
      'Look for what there is: mavis.environments.discover(project). Without an environment an administrator connects one first.',
    );
  };

  const load = (fresh: boolean) =>
    void frame.load(
      () =>
        frame.ask<Found>('rows', {
          query: frame.get('query'),
          sort: frame.get('sort'),
          start,
          size: size(),
          fresh,
        }),
      answer => {
        const first = found === null || rows.parentElement === null || !frame.body.contains(rows);
        found = answer;
        start = answer.start;
        if (first) {
          const sought = filter('Filter by name, id or tag', frame.get('query'), query => {
            if (query !== frame.get('query')) frame.set({ query });
          });
          fill(frame.body, h('div', { class: 'mavis-row' }, sought), rows, bar, bulk.root);
        }
        frame.keep(show);
        if (answer.start > 0 || !first) frame.say(`${answer.rows.length} instances shown`);
      },
    );

  frame.on(['query', 'sort'], () => {
    start = 0;
    const field = frame.body.querySelector<HTMLInputElement>('input[type=search]');
    if (field !== null && field !== document.activeElement) field.value = frame.get('query');
    load(true);
  });
  frame.on(['selected'], () => frame.keep(show));
  ofProject(frame, 'InstanceTable(picker)', () => load(true));
});
