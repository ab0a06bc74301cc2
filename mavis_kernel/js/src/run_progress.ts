/* A Run: its steps, its log, how long it takes, how it ended. Python follows it; this shows it. */

import { button, fill, h, ident, link } from './core/dom';
import { failureOf, widget } from './core/frame';
import { badge, empty, problem } from './core/states';
import { between, elapsed, local, moment, utc } from './core/times';

interface Step {
  name: string;
  state: string;
  detail: string;
  progress_percent: number | null;
  started_at: string | null;
  finished_at: string | null;
}

interface Run {
  id: string;
  project: string;
  kind: string;
  state: string;
  subject: string;
  person: string;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  cancelled_by: string | null;
  attempt: number;
  steps: Step[];
  result: Record<string, unknown>;
  error: { code: string; message: string; mend: string } | null;
  correlation_id: string;
}

interface Following {
  run: Run | null;
  lines: { at: string; text: string }[];
  trouble: string;
  failure: Parameters<typeof problem>[0] | null;
}

const FINAL = ['succeeded', 'failed', 'refused', 'cancelled'];

export default widget('Run', frame => {
  let asking = false;
  let last = '';

  const ends = (run: Run) => {
    const { error } = run;
    if (error === null) return null;
    return problem({ kind: 'failed', message: error.message, mend: error.mend, field: null, request_id: null });
  };

  const cancel = (run: Run) => {
    if (FINAL.includes(run.state)) return null;
    if (run.cancelled_by !== null) {
      return h('p', { class: 'mavis-dim' }, `${run.cancelled_by} cancels it; what it had begun is being cleaned up.`);
    }
    if (!asking) return button('Cancel the Run …', () => ask(true));
    return h(
      'div',
      { class: 'mavis-panel is-warn' },
      h('p', {}, 'It ends before it is done, and what it had begun is cleaned up. There is no undo.'),
      h(
        'div',
        { class: 'mavis-row' },
        button('Let it go on', () => ask(false)),
        button(
          'Cancel the Run',
          () => {
            ask(false);
            frame.ask('cancel').catch((error: unknown) => frame.fail(failureOf(error)));
          },
          { kind: 'grave' },
        ),
      ),
    );
  };

  const ask = (now: boolean) => {
    asking = now;
    show();
    const key = now ? 'Let it go on' : 'Cancel the Run …';
    frame.body.querySelector<HTMLElement>(`[data-key="${key}"]`)?.focus();
    if (now) frame.closes(() => ask(false));
  };

  const step = (each: Step) =>
    h(
      'li',
      {},
      badge(each.state, each.state === 'pending' ? 'off' : each.state === 'running' ? 'busy' : undefined),
      h('span', {}, each.name),
      h(
        'span',
        { class: 'mavis-dim' },
        each.progress_percent !== null &&
          !each.finished_at &&
          h('progress', { max: 100, value: each.progress_percent, 'aria-label': `${each.name}, percent` }),
        each.progress_percent !== null && !each.finished_at && ` ${each.progress_percent} % `,
        each.detail,
      ),
      each.state === 'pending' ? h('span', {}) : elapsed(each.started_at, each.finished_at),
    );

  const show = () => {
    const { run, lines, trouble, failure } = frame.get<Following>('following');
    if (failure !== null) {
      frame.reset();
      frame.fail(failure);
      return;
    }
    if (run === null) {
      const none = frame.get<string>('run_id') === '';
      fill(
        frame.body,
        none
          ? empty('No Run yet', 'Give one: RunProgress(run, "shop"), or .follow(run).')
          : h('p', { class: 'mavis-loading' }, 'Asking the appliance …'),
      );
      return;
    }
    const isOver = FINAL.includes(run.state);
    frame.context(h('strong', {}, run.project), h('span', {}, `${run.kind} ${run.subject}`), ident(run.id));
    const open = frame.body.querySelector('details')?.open ?? false;
    const log = h(
      'details',
      { 'data-key': 'log' },
      h('summary', { 'data-key': 'log-summary' }, `Log (${lines.length} ${lines.length === 1 ? 'line' : 'lines'})`),
      h(
        'pre',
        { tabindex: 0, 'aria-label': 'Log of the Run' },
        ...lines.map(each =>
          h('div', {}, h('span', { title: utc(each.at) }, local(each.at)), `  ${each.text}`),
        ),
      ),
    );
    log.open = open;
    fill(
      frame.body,
      h(
        'div',
        { class: 'mavis-row' },
        badge(run.state, run.state === 'running' ? 'busy' : undefined),
        elapsed(run.created_at, run.finished_at),
        run.attempt > 1 && h('span', { class: 'mavis-dim' }, `attempt ${run.attempt}`),
        h('span', { class: 'mavis-dim' }, `asked for by ${run.person}`),
        h('span', { class: 'mavis-dim' }, moment(run.created_at)),
      ),
      trouble !== '' && h('p', { class: 'mavis-panel is-warn' }, trouble),
      isOver && ends(run),
      h('ol', { class: 'mavis-steps', 'aria-label': 'Steps' }, ...run.steps.map(step)),
      cancel(run),
      lines.length > 0 && log,
      h(
        'div',
        { class: 'mavis-row' },
        link('Page of this Run', frame.page('projects', run.project, 'runs', run.id)),
        link('The whole story', frame.page('stories', run.correlation_id)),
      ),
    );
    const told = isOver
      ? `The Run ${run.state} after ${between(run.created_at, run.finished_at)}.`
      : `${run.state}: ${run.steps.find(each => each.state === 'running' || each.state === 'waiting')?.name ?? ''}`;
    if (told !== last) frame.say(told);
    last = told;
  };

  frame.refresh = () =>
    void frame.load(
      () => frame.ask('look'),
      () => show(),
    );
  frame.on(['following', 'run_id'], show);
  show();
  if (frame.get<string>('run_id') !== '') frame.refresh();
});
