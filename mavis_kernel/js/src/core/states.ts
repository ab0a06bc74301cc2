/* States as a word, a shape and a colour; and what stands where there is nothing to show. */

import { button, h, icon, ident, type Child, type Shape } from './dom';
import type { Failure } from './conversation';

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'off';

const TONES: Record<Tone, readonly string[]> = {
  good: ['succeeded', 'complete', 'completed', 'ok', 'done', 'available', 'enabled', 'final', 'undone'],
  busy: ['queued', 'planned', 'pending', 'waiting', 'started', 'stopping', 'starting', 'undoing', 'new'],
  warn: ['partial', 'missing', 'expiring', 'left_over', 'skipped', 'taking_back', 'unconfirmed'],
  bad: ['failed', 'error', 'refused', 'stranded', 'expired'],
  off: ['stopped', 'cancelled', 'gone', 'terminated', 'paused', 'removed', 'intent'],
};
const SHAPES: Record<Tone, Shape> = { good: 'check', busy: 'clock', warn: 'bang', bad: 'cross', off: 'square' };
const BY_WORD = new Map<string, Tone>(
  (Object.keys(TONES) as Tone[]).flatMap(tone => TONES[tone].map(word => [word, tone] as const)),
);

/* A machine that runs is well; a Run that runs is at work: who knows which says the tone. */
export function badge(word: string, tone?: Tone): HTMLElement {
  const found = tone ?? BY_WORD.get(word) ?? 'busy';
  return h('span', { class: `mavis-state is-${found}` }, icon(SHAPES[found]), word.replace(/_/g, ' '));
}

/* Production has a word and a colour of its own. */
export function production(): HTMLElement {
  return h('strong', { class: 'mavis-production' }, 'production');
}

const TITLES: Partial<Record<Failure['kind'], string>> = {
  forbidden: 'Not allowed',
  gone: 'The kernel is gone',
  invalid: 'Not understood',
  no_project: 'No project',
  not_found: 'Not there, or not for you',
  not_logged_in: 'Not logged in',
  unavailable: 'The appliance does not answer',
};

/* What happened, what to do, and the id to report it with. */
export function problem(failure: Failure, retry?: () => void): HTMLElement {
  return h(
    'div',
    { class: `mavis-panel is-${failure.kind === 'forbidden' ? 'warn' : 'bad'}`, 'data-kind': failure.kind },
    h(
      'p',
      { class: 'mavis-panel-title' },
      icon(failure.kind === 'forbidden' ? 'bang' : 'cross'),
      TITLES[failure.kind] ?? 'It did not work',
    ),
    h('p', {}, failure.message),
    failure.mend && h('p', { class: 'mavis-mend' }, failure.mend),
    h(
      'p',
      { class: 'mavis-row' },
      retry && button('Try again', retry, { shape: 'refresh' }),
      failure.request_id !== null && h('span', { class: 'mavis-dim' }, 'Request '),
      failure.request_id !== null && ident(failure.request_id),
    ),
  );
}

/* An empty place says why, and what to do first. */
export function empty(title: string, ...more: Child[]): HTMLElement {
  return h(
    'div',
    { class: 'mavis-panel is-empty', 'data-kind': 'empty' },
    h('p', { class: 'mavis-panel-title' }, icon('ring'), title),
    ...more.map(each => (typeof each === 'string' ? h('p', {}, each) : each)),
  );
}
