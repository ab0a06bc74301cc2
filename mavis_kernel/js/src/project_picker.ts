/* The projects of a person: choose one, with its role and environments in sight. */

import { fill, h } from './core/dom';
import { widget } from './core/frame';
import { badge, empty, production } from './core/states';
import { filter } from './core/table';

interface Environment {
  name: string;
  kit: string;
  account: string;
  regions: string[];
  state: string;
}

interface Project {
  name: string;
  title: string;
  role: string;
  production?: boolean;
}

interface Found {
  projects: Project[];
  more: boolean;
}

export default widget('Project', frame => {
  let found: Found = { projects: [], more: false };
  let sought = '';
  const list = h('div', { class: 'mavis-projects', role: 'radiogroup', 'aria-label': 'Projects' });
  const places = h('div', { class: 'mavis-group' });

  const choose = (name: string) => {
    frame.set({ value: name });
    frame.say(`Project ${name}`);
  };

  const show = () => {
    const value = frame.get<string | null>('value');
    const match = found.projects.filter(each => `${each.name} ${each.title}`.toLowerCase().includes(sought));
    const reached = match.some(each => each.name === value) ? value : match[0]?.name;
    frame.context(value === null ? 'none chosen' : h('strong', {}, value));
    fill(
      list,
      ...match.map(each =>
        h(
          'button',
          {
            type: 'button',
            role: 'radio',
            class: 'mavis-project',
            'data-key': each.name,
            'aria-checked': each.name === value ? 'true' : 'false',
            tabindex: each.name === reached ? 0 : -1,
            onclick: () => choose(each.name),
            onkeydown: event => step(event as KeyboardEvent, match, each.name),
          },
          h('strong', {}, each.name),
          each.production === true && production(),
          each.title !== each.name && h('span', {}, each.title),
          h('span', { class: 'mavis-dim' }, `you are ${each.role}`),
        ),
      ),
      match.length === 0 && empty(`No project matches “${sought}”`, 'Clear the filter to see all.'),
    );
  };

  const step = (event: KeyboardEvent, match: Project[], name: string) => {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const at = match.findIndex(each => each.name === name);
    const next = match[(at + by + match.length) % match.length];
    if (next === undefined) return;
    choose(next.name);
    list.querySelector<HTMLElement>(`[data-key="${CSS.escape(next.name)}"]`)?.focus();
  };

  const showPlaces = async () => {
    const value = frame.get<string | null>('value');
    if (value === null) {
      fill(places);
      return;
    }
    try {
      const { environments } = await frame.ask<{ environments: Environment[] }>('environments', { project: value });
      if (frame.get<string | null>('value') !== value) return;
      fill(
        places,
        h('h4', {}, 'Environments'),
        environments.length === 0 &&
          empty('No environment is connected yet', 'An administrator connects one: mavis environment add.'),
        h(
          'ul',
          { class: 'mavis-list' },
          ...environments.map(each =>
            h(
              'li',
              { class: 'mavis-row' },
              h('strong', {}, each.name),
              h('span', {}, `${each.kit} ${each.account}`),
              h('span', { class: 'mavis-dim' }, each.regions.join(', ')),
              badge(each.state),
            ),
          ),
        ),
      );
    } catch {
      fill(places, h('p', { class: 'mavis-dim' }, 'The environments could not be read.'));
    }
  };

  frame.refresh = () =>
    void frame.load(
      () => frame.ask<Found>('projects'),
      answer => {
        found = answer;
        if (found.projects.length === 0) {
          fill(
            frame.body,
            empty(
              'You are in no project yet',
              'An administrator of a project adds you: mavis project member add. Dashboards that were published for you are on the start page.',
            ),
          );
          return;
        }
        fill(
          frame.body,
          found.projects.length > 6 &&
            filter('Find a project', sought, text => {
              sought = text.toLowerCase();
              show();
            }),
          list,
          found.more && h('p', { class: 'mavis-dim' }, 'There are more than these; give the name in Python.'),
          places,
        );
        show();
        void showPlaces();
      },
    );
  frame.on(['value'], () => {
    show();
    void showPlaces();
  });
  frame.refresh();
});
