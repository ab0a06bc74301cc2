/* A backup plan as a form over its document; the appliance says what is wrong with it, and where.
 * It is written by the person, on the page of its preview. */

import { Bulk } from './core/bulk';
import { calendar, type Slot } from './core/calendar';
import { append, button, fill, h, ident } from './core/dom';
import { failureOf, widget, type Failure } from './core/frame';
import { ofProject } from './core/project';
import { badge, problem } from './core/states';
import { Form, type Document } from './core/form';

interface Plan {
  name: string;
  version: number;
  definition: Document;
  updated_by: string;
}

interface Opened {
  plans: string[];
  presets: { name: string; definition: Document }[];
  environments: string[];
  plan: Plan | null;
  why_not: string;
}

interface Checked {
  definition: Document;
  effects: { name: string; cloud_id: string; environment: string; region: string; detail: string }[];
  left_out: string[];
  upcoming: Slot[];
}

const NEW: Document = {
  selection: { match: 'tag:backup = nightly' },
  rules: [{ name: 'daily', cron: '30 2 * * *' }],
  keep: { daily: 7, weekly: 4 },
  zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
};
const CHECK_AFTER_MS = 400;
const NAMES_SHOWN = 12;

export default widget('Backup plan', frame => {
  let opened: Opened | null = null;
  let timer = 0;
  let checks = 0;
  let saved = true;
  const outlook = h('div', { class: 'mavis-group', role: 'group', 'aria-label': 'What it would do' });
  const actions = h('div', { class: 'mavis-group' });
  const leave = h('div', { class: 'mavis-group' });
  const said = h('div', { class: 'mavis-group', role: 'status' });
  const bulk = new Bulk(frame, 'backup plan', () => {
    const job = frame.get<{ action: string; rows: { id: string; state: string }[] }>('job');
    const [row] = job.rows;
    if (row?.state !== 'succeeded') return;
    saved = true;
    const plan = job.action === 'backup_plan.remove' ? '' : row.id;
    if (frame.get('plan') === plan) open();
    else frame.set({ plan });
  });
  const name = h('input', {
    maxlength: 40,
    'data-key': 'name',
    'data-field': 'name',
    spellcheck: 'false',
    oninput: () => check(),
  });
  const form = new Form(() => {
    saved = false;
    check();
  });
  frame.signal.addEventListener('abort', () => window.clearTimeout(timer));

  const check = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(ask, CHECK_AFTER_MS);
  };

  const ask = () => {
    const mine = (checks += 1);
    frame.set({ definition: form.document });
    outlook.setAttribute('aria-busy', 'true');
    frame
      .ask<Checked>('check', { name: name.value, definition: form.document })
      .then(found => {
        if (mine !== checks) return;
        form.wrong(null);
        fill(outlook, ...shown(found));
        frame.say(`It would take ${found.effects.length} instances.`);
      })
      .catch((error: unknown) => {
        if (mine !== checks) return;
        const failure = failureOf(error);
        const isShown = failure.kind === 'invalid' && form.wrong(failure);
        fill(
          outlook,
          isShown
            ? h('p', { class: 'mavis-dim' }, 'What it would take shows as soon as the marked field is right.')
            : problem(failure, ask),
        );
        if (isShown) frame.say(`${failure.message} ${failure.mend}`);
      })
      .finally(() => {
        if (mine === checks) outlook.removeAttribute('aria-busy');
      });
  };

  const shown = (found: Checked) => {
    const names = found.effects.map(each => each.name || each.cloud_id);
    const more = names.length - NAMES_SHOWN;
    return [
      h('h4', {}, `It would take ${names.length} ${names.length === 1 ? 'instance' : 'instances'} now`),
      h(
        'p',
        {},
        names.slice(0, NAMES_SHOWN).join(', ') || 'None matches: look at the selection.',
        more > 0 && ` and ${more} more`,
      ),
      found.left_out.length > 0 &&
        h(
          'details',
          {},
          h('summary', { 'data-key': 'left-out' }, `${found.left_out.length} left out`),
          h('p', { class: 'mavis-dim' }, found.left_out.join(', ')),
        ),
      h('h4', {}, 'Next slots'),
      calendar(found.upcoming, String(found.definition['zone'] ?? 'UTC')),
    ].filter(each => each !== false);
  };

  const showActions = () => {
    if (opened === null) return;
    fill(
      actions,
      h(
        'div',
        { class: 'mavis-row' },
        button(opened.plan === null ? 'Save the new plan …' : 'Save …', () => save(), {
          kind: 'first',
          key: 'save',
          why: opened.why_not || null,
        }),
        opened.plan !== null && button('Remove …', () => remove(), { key: 'remove', why: opened.why_not || null }),
        button('Write it into a file', () => void write(), { key: 'file' }),
      ),
      opened.why_not && h('p', { class: 'mavis-mend' }, opened.why_not),
      said,
      bulk.root,
    );
  };

  const save = () => {
    fill(said);
    const old = opened?.plan ?? null;
    const given = { definition: form.document };
    if (old === null) bulk.begin({ name: 'backup_plan.create', title: '' }, [name.value.trim()], given);
    else bulk.begin({ name: 'backup_plan.change', title: '' }, [old.name], { ...given, version: old.version });
  };

  const remove = () => {
    fill(said);
    if (opened?.plan) bulk.begin({ name: 'backup_plan.remove', title: '' }, [opened.plan.name]);
  };

  const write = () =>
    frame
      .ask<{ path: string; command: string }>('export', {
        name: name.value.trim(),
        definition: form.document,
        new: (opened?.plan ?? null) === null,
      })
      .then(made => {
        saved = true;
        fill(
          said,
          h(
            'div',
            { class: 'mavis-panel is-good' },
            h('p', { class: 'mavis-row' }, badge('written', 'good'), ident(made.path)),
            h('p', {}, 'In a terminal, after mavis login:'),
            ident(made.command),
          ),
        );
      })
      .catch((error: unknown) => refuse(failureOf(error)));

  const refuse = (failure: Failure) => {
    form.wrong(failure.kind === 'invalid' ? failure : null);
    fill(said, problem(failure));
  };

  const show = (found: Opened) => {
    opened = found;
    const { plan } = found;
    name.value = plan?.name ?? '';
    name.readOnly = plan !== null;
    frame.context(
      h('strong', {}, frame.get<string>('project')),
      h('span', {}, plan === null ? 'a new plan' : `${plan.name}, version ${plan.version}, written by ${plan.updated_by}`),
    );
    form.take(plan?.definition ?? NEW);
    fill(leave);
    fill(frame.body, chooser(found));
    append(
      frame.body,
      leave,
      h('label', { class: 'mavis-field' }, 'Name', name),
      form.root,
      outlook,
      actions,
    );
    saved = true;
    showActions();
    ask();
  };

  const chooser = (found: Opened) => {
    const which = h(
      'select',
      {
        'aria-label': 'Plan',
        'data-key': 'plan',
        onchange: () => {
          if (saved) frame.set({ plan: which.value });
          else askToLeave(which);
        },
      },
      h('option', { value: '' }, 'A new plan'),
      ...found.plans.map(each => h('option', { value: each, selected: each === frame.get('plan') }, each)),
    );
    return h(
      'div',
      { class: 'mavis-row' },
      which,
      found.plan === null && h('span', { class: 'mavis-dim' }, 'Begin with'),
      ...(found.plan === null ? found.presets : []).map(each =>
        button(each.name, () => {
          form.take({ ...each.definition, zone: form.document['zone'] ?? 'UTC' });
          if (name.value === '') name.value = each.name;
          saved = false;
          check();
        }),
      ),
    );
  };

  /* Another plan is chosen while this one is not saved. */
  const askToLeave = (which: HTMLSelectElement) => {
    const stay = () => {
      fill(leave);
      which.value = frame.get('plan');
      which.focus();
    };
    fill(
      leave,
      h(
        'div',
        { class: 'mavis-panel is-warn', role: 'group', 'aria-label': 'Not saved' },
        h('p', { class: 'mavis-panel-title' }, 'What you have written is not saved'),
        h(
          'div',
          { class: 'mavis-row' },
          button('Stay', stay),
          button('Leave it', () => frame.set({ plan: which.value }), { kind: 'grave' }),
        ),
      ),
    );
    frame.closes(stay);
    leave.querySelector('button')?.focus();
  };

  const open = () => void frame.load(() => frame.ask<Opened>('open', { plan: frame.get('plan') }), show);

  frame.on(['plan'], () => {
    if (frame.get('plan') !== (opened?.plan?.name ?? '')) open();
  });
  ofProject(frame, 'BackupPlanEditor(picker)', open);
});
