/* What all widgets have: title, age, refresh, moods of the kernel, problems, keys and theme. */

import { Conversation, Refused, type Failure, type Kind, type Model, type Mood } from './conversation';
import { button, fill, h, icon, type Child } from './dom';
import { badge, problem, production } from './states';
import { elapsed, moment, tick } from './times';

export { Refused, type Failure, type Kind, type Model };

/* Who answers a widget: its kernel, or the appliance by the way that a page in Lab has. The latter
   goes on where the kernel is busy or gone, and so shows none of its moods. */
export type By = 'kernel' | 'lab';

const STALE_AFTER_MS = 120_000;
const SLOW_AFTER_MS = 2_000;

const MOODS: Record<Exclude<Mood, 'there'>, readonly [string, string]> = {
  busy: ['A cell is running', 'The kernel answers when it has ended; interrupt the cell to be answered now.'],
  gone: ['The kernel is gone', 'What is shown is as it was. Restart the kernel, then run the cell again.'],
};

export class Frame {
  readonly root: HTMLElement;
  readonly body = h('div', { class: 'mavis-body' });
  readonly signal: AbortSignal;
  /* Reads everything again. */
  refresh: () => void = () => undefined;
  private readonly model: Model;
  private readonly conversation: Conversation | null;
  private readonly head = h('span', { class: 'mavis-context' });
  private readonly age = h('span', { class: 'mavis-age' });
  private readonly mood = h('div', { class: 'mavis-mood', role: 'status' });
  private readonly trouble = h('div', { class: 'mavis-trouble', role: 'alert' });
  private readonly live = h('div', { class: 'mavis-hidden', 'aria-live': 'polite' });
  private readonly closers: (() => void)[] = [];
  private about: Child[] = [];
  private readAt: string | null = null;
  private loads = 0;

  constructor(model: Model, title: string, signal: AbortSignal, by: By) {
    this.model = model;
    this.signal = signal;
    this.conversation = by === 'kernel' ? new Conversation(model, signal, mood => this.feel(mood)) : null;
    this.root = h(
      'div',
      { class: 'mavis', role: 'group', 'aria-label': title, 'data-lm-suppress-shortcuts': 'true' },
      h(
        'div',
        { class: 'mavis-head' },
        h('h3', { class: 'mavis-title' }, title),
        this.head,
        this.age,
        by === 'kernel' &&
          button('', () => this.refresh(), { kind: 'bare', key: 'refresh', label: 'Refresh', shape: 'refresh' }),
      ),
      this.mood,
      this.trouble,
      this.body,
      this.live,
    );
    this.root.addEventListener('keydown', event => this.press(event));
    tick(this.root, signal);
    this.on(['production'], () => this.context(...this.about));
    const timer = window.setInterval(() => this.showAge(), 10_000);
    signal.addEventListener('abort', () => window.clearInterval(timer));
  }

  get<T>(name: string): T {
    return this.model.get<T>(name);
  }

  set(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) this.model.set(name, value);
    this.model.save_changes();
  }

  /* Call when one of the traits changes, also where Python changed it. */
  on(names: readonly string[], changed: () => void): void {
    for (const name of names) this.model.on(`change:${name}`, changed);
    this.signal.addEventListener('abort', () => {
      for (const name of names) this.model.off(`change:${name}`, changed);
    });
  }

  ask<T>(what: string, given: Record<string, unknown> = {}): Promise<T> {
    if (this.conversation === null) throw new Error(`the kernel is not asked here: ${what}`);
    return this.conversation.ask<T>(what, given);
  }

  /* The address of one of Mavis's own pages. */
  page(...segments: string[]): string {
    return [this.get<string>('url'), ...segments.map(each => encodeURIComponent(each))].join('/');
  }

  /* What it is about; a project in production is marked by a word and a colour of its own. */
  context(...children: Child[]): void {
    this.about = children;
    fill(this.head, ...children, this.model.get('production') === true && production());
  }

  /* Tell people who listen. */
  say(text: string): void {
    this.live.textContent = text;
  }

  /* Escape closes what was opened last. */
  closes(close: () => void): void {
    this.closers.push(close);
  }

  /* Do what reads from the appliance, and show how that goes. The latest of several counts. */
  async load<T>(read: () => Promise<T>, show: (found: T) => void): Promise<void> {
    const mine = (this.loads += 1);
    const since = new Date().toISOString();
    const slow = window.setTimeout(
      () => {
        const words = h('span', {}, 'Asking the appliance … ', elapsed(since, null));
        if (this.readAt === null) fill(this.body, h('p', { class: 'mavis-loading' }, words));
        else fill(this.age, words);
      },
      this.readAt === null ? 0 : SLOW_AFTER_MS,
    );
    this.root.setAttribute('aria-busy', 'true');
    try {
      const found = await read();
      if (mine !== this.loads || this.signal.aborted) return;
      window.clearTimeout(slow);
      this.readAt = new Date().toISOString();
      this.root.classList.remove('is-stale');
      fill(this.trouble);
      show(found);
    } catch (error) {
      if (mine !== this.loads || this.signal.aborted) return;
      window.clearTimeout(slow);
      this.fail(failureOf(error));
    } finally {
      window.clearTimeout(slow);
      if (mine === this.loads) {
        this.root.removeAttribute('aria-busy');
        this.showAge();
      }
    }
  }

  /* Show a failure: instead of what was never read, above what was. */
  fail(failure: Failure): void {
    const shown = problem(failure, failure.kind === 'no_project' ? undefined : () => this.refresh());
    if (this.readAt === null) {
      fill(this.trouble);
      fill(this.body, shown);
      this.say(`${failure.message} ${failure.mend}`);
      return;
    }
    this.root.classList.add('is-stale');
    fill(this.trouble, shown);
  }

  /* Draw something anew, and leave the focus where it was. */
  keep(draw: () => void): void {
    const at = this.root.contains(document.activeElement) ? document.activeElement : null;
    const key = at?.getAttribute('data-key') ?? null;
    draw();
    if (key !== null && !this.root.contains(document.activeElement)) {
      this.root.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
    }
  }

  /* Forget what was read: it was of another project. */
  reset(): void {
    this.readAt = null;
    this.root.classList.remove('is-stale');
    fill(this.trouble);
    fill(this.age);
  }

  private showAge(): void {
    if (this.readAt === null) {
      fill(this.age);
      return;
    }
    const old = Date.now() - Date.parse(this.readAt) > STALE_AFTER_MS;
    const stale = old || this.root.classList.contains('is-stale');
    fill(this.age, stale && badge('stale', 'warn'), 'read ', moment(this.readAt));
  }

  private feel(mood: Mood): void {
    if (mood === 'there') {
      fill(this.mood);
      return;
    }
    const [title, text] = MOODS[mood];
    if (mood === 'gone') this.root.classList.add('is-stale');
    fill(
      this.mood,
      h(
        'div',
        { class: `mavis-panel is-${mood === 'gone' ? 'bad' : 'warn'}`, 'data-kind': mood },
        h('p', { class: 'mavis-panel-title' }, icon(mood === 'gone' ? 'cross' : 'clock'), title),
        h('p', {}, text),
      ),
    );
    this.showAge();
  }

  private press(event: KeyboardEvent): void {
    event.stopPropagation(); // what stands around has shortcuts of its own
    const at = event.target as HTMLElement;
    const writes = at.matches('textarea, select, input:not([type=checkbox], [type=radio])');
    if (event.key === '/' && !writes) {
      const filter = this.root.querySelector<HTMLInputElement>('input[type=search]');
      if (filter !== null) {
        event.preventDefault();
        filter.focus();
        filter.select();
      }
    } else if (event.key === 'Escape') {
      const close = this.closers.pop();
      if (close !== undefined) {
        event.preventDefault();
        close();
      }
    }
  }
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Refused) return error.failure;
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'bug', message, mend: 'Report this.', field: null, request_id: null };
}

interface Given {
  model: Model;
  el: HTMLElement;
  signal: AbortSignal;
}

/* Make what anywidget renders. */
export function widget(
  title: string,
  build: (frame: Frame) => void,
  by: By = 'kernel',
): { render(given: Given): void } {
  return {
    render({ model, el, signal }) {
      const frame = new Frame(model, title, signal, by);
      el.append(frame.root);
      follow(frame.root, signal);
      build(frame);
    },
  };
}

/* Dark where Lab says so, else where the page is, else where the person likes it. */
function follow(root: HTMLElement, signal: AbortSignal): void {
  const prefers = window.matchMedia('(prefers-color-scheme: dark)');
  const look = () => {
    root.dataset['theme'] = isDark(root, prefers.matches) ? 'dark' : 'light';
  };
  const watch = new MutationObserver(look);
  watch.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-light', 'class', 'style'] });
  watch.observe(document.documentElement, { attributes: true });
  prefers.addEventListener('change', look, { signal });
  signal.addEventListener('abort', () => watch.disconnect());
  look();
  window.requestAnimationFrame(look); // once it hangs in the page
}

function isDark(root: Element, prefers: boolean): boolean {
  const told = document.body.dataset['jpThemeLight'];
  if (told !== undefined) return told === 'false';
  for (let at: Element | null = root.parentElement; at !== null; at = at.parentElement) {
    const [red, green, blue, alpha] = (getComputedStyle(at).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
    if (red !== undefined && green !== undefined && blue !== undefined && alpha !== 0) {
      return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
    }
  }
  return prefers;
}
