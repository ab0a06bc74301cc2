/* One action on many machines: the plan of each, then applying, then a result for each. */

import { button, fill, h, ident, link } from './dom';
import { failureOf, type Frame } from './frame';
import { badge, problem } from './states';

export interface Action {
  name: string;
  title: string;
}

/* The word on the button that lets it happen. */
const WORDS: Record<string, string> = {
  'recovery_point.create': 'Take recovery points of',
  'resource.start': 'Start',
  'resource.tag': 'Tag',
  'restore.volumes': 'Restore volumes of',
  'restore.instance': 'Restore as new:',
};

interface Effect {
  verb: string;
  kind: string;
  name: string;
  cloud_id: string;
  detail: string;
}

/* What one machine's part is: planned, unconfirmed, started, or how it ended. */
interface Row {
  id: string;
  name: string;
  state: string;
  effects: Effect[];
  warnings: string[];
  preview: string;
  page: string;
  run: string;
  message: string;
  mend: string;
  request_id: string | null;
}

interface Job {
  action: string;
  arguments: Record<string, unknown>;
  stage: 'none' | 'planned' | 'applied';
  rows: Row[];
}

const AGAIN = ['failed', 'refused', 'cancelled', 'expired'];
const GOING = ['queued', 'running', 'started', 'unconfirmed'];

export class Bulk {
  readonly root = h('div', { class: 'mavis-group' });
  private readonly frame: Frame;
  private readonly changed: () => void;
  private tagging: readonly string[] | null = null;
  private action: Action | null = null;
  private wasGoing = false;

  private readonly noun: string;

  constructor(frame: Frame, noun: string, changed: () => void) {
    this.frame = frame;
    this.noun = noun;
    this.changed = changed;
    frame.on(['job'], () => this.show());
    this.show();
  }

  private count(things: number): string {
    return `${things} ${this.noun}${things === 1 ? '' : 's'}`;
  }

  begin(action: Action, ids: readonly string[], given: Record<string, unknown> = {}): void {
    this.action = action;
    if (action.name === 'resource.tag') {
      this.tagging = ids;
      this.show();
      this.frame.closes(() => this.close());
      this.root.querySelector<HTMLElement>('input')?.focus();
      return;
    }
    this.plan(action, ids, given);
  }

  private plan(action: Action, ids: readonly string[], given: Record<string, unknown>): void {
    this.tagging = null;
    fill(this.root, h('p', { class: 'mavis-loading' }, `Planning for ${this.count(ids.length)} …`));
    this.frame
      .ask('plan', { action: action.name, ids, arguments: given })
      .then(() => {
        this.frame.closes(() => this.close());
        this.root.querySelector<HTMLElement>('[data-key="Cancel"]')?.focus();
      })
      .catch((error: unknown) => {
        fill(this.root, problem(failureOf(error), () => this.plan(action, ids, given)));
      });
  }

  private close(): void {
    this.tagging = null;
    const job = this.frame.get<Job>('job');
    if (job.stage === 'planned') void this.frame.ask('forget');
    this.show();
  }

  private show(): void {
    const job = this.frame.get<Job>('job');
    if (this.tagging !== null) {
      fill(this.root, this.tagForm(this.tagging));
      return;
    }
    const isGoing = job.rows.some(row => GOING.includes(row.state));
    if (this.wasGoing && !isGoing) this.changed();
    this.wasGoing = isGoing && job.stage === 'applied';
    if (job.stage === 'none') fill(this.root);
    else fill(this.root, job.stage === 'planned' ? this.planned(job) : this.results(job));
  }

  private tagForm(ids: readonly string[]): HTMLElement {
    const key = h('input', { id: 'mavis-tag-key', maxlength: 128, required: true, 'data-key': 'tag-key' });
    const value = h('input', { id: 'mavis-tag-value', maxlength: 256, 'data-key': 'tag-value' });
    const form = h(
      'form',
      { class: 'mavis-panel' },
      h('p', { class: 'mavis-panel-title' }, `Tag ${this.count(ids.length)}`),
      h(
        'div',
        { class: 'mavis-fields' },
        h('label', { class: 'mavis-field' }, 'Key', key),
        h('label', { class: 'mavis-field' }, 'Value', value),
      ),
      h(
        'div',
        { class: 'mavis-row' },
        button('Cancel', () => this.close()),
        h('button', { type: 'submit', class: 'mavis-button is-first' }, 'Show the plan'),
      ),
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      const { action } = this;
      if (action !== null && key.value.trim()) this.plan(action, ids, { tags: { [key.value.trim()]: value.value } });
    });
    return form;
  }

  private planned(job: Job): HTMLElement {
    const good = job.rows.filter(row => row.state === 'planned');
    const paged = good.filter(row => row.page !== '');
    const here = good.length - paged.length;
    const words = WORDS[job.action] ?? 'Apply to';
    const page = this.shared(paged);
    return h(
      'div',
      { class: 'mavis-panel is-busy', role: 'group', 'aria-label': 'Plan' },
      h('p', { class: 'mavis-panel-title' }, `Plan: ${job.action} on ${this.count(job.rows.length)}`),
      h('ul', { class: 'mavis-list' }, ...job.rows.map(row => this.plannedRow(row, page === null))),
      paged.length > 0 &&
        h(
          'p',
          { class: 'mavis-mend' },
          page === null
            ? 'A notebook may not do this: read each plan on its own page, and apply it there. What you apply shows here.'
            : `A notebook may not do this: read the ${paged.length} plans on their page, and apply them there together. What you apply shows here.`,
        ),
      h(
        'div',
        { class: 'mavis-row' },
        button('Cancel', () => void this.frame.ask('forget')),
        page !== null && link(`Confirm the ${paged.length}`, page),
        here > 0 && button(`${words} ${here}`, () => void this.apply(), { kind: 'first', key: 'apply' }),
        paged.length > 0 &&
          here === 0 &&
          button('I confirm them there: wait for it', () => void this.apply(), { key: 'apply' }),
      ),
    );
  }

  /* The one page on which several are confirmed; none where each has its own. */
  private shared(rows: readonly Row[]): string | null {
    const [page, ...more] = new Set(rows.map(row => row.page).filter(each => each !== ''));
    return rows.length > 1 && page !== undefined && more.length === 0 ? page : null;
  }

  private plannedRow(row: Row, alone: boolean): HTMLElement {
    return h(
      'li',
      {},
      h(
        'div',
        { class: 'mavis-row' },
        badge(row.state),
        h('strong', {}, row.name),
        alone && row.page !== '' && link('Confirm', row.page),
        row.message && h('span', { class: 'mavis-wrong' }, row.message),
        row.mend && h('span', { class: 'mavis-mend' }, row.mend),
      ),
      row.effects.length > 0 &&
        h(
          'ul',
          { class: 'mavis-effects mavis-dim' },
          ...row.effects.map(each =>
            h('li', {}, `${each.verb} ${each.kind} ${[each.name, each.cloud_id].filter(Boolean).join(' ')} ${each.detail}`),
          ),
        ),
      ...row.warnings.map(each => h('p', { class: 'mavis-state is-warn' }, each)),
    );
  }

  private results(job: Job): HTMLElement {
    const having = (states: readonly string[]) => job.rows.filter(row => states.includes(row.state)).length;
    const failed = having(AGAIN);
    const going = having(GOING);
    const done = having(['succeeded']);
    const tone = going > 0 ? 'busy' : failed > 0 ? 'bad' : 'good';
    const said = `${done} of ${job.rows.length} done${failed > 0 ? `, ${failed} failed` : ''}${going > 0 ? `, ${going} going on` : ''}`;
    this.frame.say(said);
    const waiting = job.rows.filter(row => row.run === '' && row.state === 'unconfirmed');
    const page = this.shared(waiting);
    return h(
      'div',
      { class: `mavis-panel is-${tone}`, role: 'group', 'aria-label': 'Results' },
      h('p', { class: 'mavis-panel-title' }, `${job.action}: ${said}`),
      h(
        'ul',
        { class: 'mavis-list' },
        ...job.rows.map(row =>
          h(
            'li',
            { class: 'mavis-row' },
            badge(row.state, row.state === 'running' ? 'busy' : undefined),
            h('strong', {}, row.name),
            row.run !== '' && link('Run', this.frame.page('projects', this.frame.get<string>('project'), 'runs', row.run)),
            page === null && row.run === '' && row.page !== '' && link('Confirm', row.page),
            row.message && h('span', {}, row.message),
            row.mend && h('span', { class: 'mavis-mend' }, row.mend),
            row.request_id && ident(row.request_id),
          ),
        ),
      ),
      h(
        'div',
        { class: 'mavis-row' },
        page !== null && link(`Confirm the ${waiting.length}`, page),
        failed > 0 && button(`Retry the ${failed} that failed`, () => this.retry(job), { key: 'retry' }),
        button('Close', () => void this.frame.ask('forget'), {
          why: going > 0 ? 'Some go on; their Runs do not need this list' : null,
        }),
      ),
    );
  }

  private apply(): Promise<unknown> {
    return this.frame.ask('apply').catch((error: unknown) => {
      fill(this.root, problem(failureOf(error), () => this.show()));
    });
  }

  private retry(job: Job): void {
    const ids = job.rows.filter(row => AGAIN.includes(row.state)).map(row => row.id);
    this.plan({ name: job.action, title: '' }, ids, job.arguments);
  }
}
