/* The next slots of a plan, day by day in its own zone. */

import { h } from './dom';
import { utc } from './times';

export interface Slot {
  rule: string;
  /* The local time that it is for. */
  slot: string;
  due_at: string;
}

const DAYS_SHOWN = 28;
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short', timeZone: 'UTC' });

export function calendar(slots: readonly Slot[], zone: string): HTMLElement {
  const days = new Map<string, Slot[]>();
  for (const each of slots) {
    const date = each.slot.slice(0, 10);
    const of = days.get(date);
    if (of === undefined) days.set(date, [each]);
    else of.push(each);
  }
  const first = slots[0]?.slot.slice(0, 10);
  const last = slots.at(-1)?.slot.slice(0, 10) ?? '';
  if (first === undefined) return h('p', { class: 'mavis-dim' }, 'It has no slot to come: it is not enabled.');
  const dates = Array.from({ length: DAYS_SHOWN }, (_, at) => after(first, at)).filter(date => date <= last);
  return h(
    'div',
    { class: 'mavis-group' },
    h('ol', { class: 'mavis-calendar', 'aria-label': `Next slots, in ${zone}` }, ...dates.map(date => day(date, days.get(date) ?? []))),
    h('p', { class: 'mavis-dim' }, `${slots.length === 1 ? 'One slot' : `The first ${slots.length} slots`}, in ${zone}.`),
  );
}

function day(date: string, slots: readonly Slot[]): HTMLElement {
  const rules = new Map<string, Slot[]>();
  for (const each of slots) rules.set(each.rule, [...(rules.get(each.rule) ?? []), each]);
  return h(
    'li',
    { class: `mavis-day${slots.length === 0 ? ' is-empty' : ''}` },
    h('span', {}, DAY.format(new Date(`${date}T00:00:00Z`))),
    ...[...rules].map(([rule, of]) =>
      h(
        'span',
        { class: 'is-made', title: of.map(each => `${each.slot} = ${utc(each.due_at)}`).join('\n') },
        of.length === 1 ? `${of[0]?.slot.slice(11, 16)} ${rule}` : `${of.length}× ${rule}`,
      ),
    ),
  );
}

function after(date: string, days: number): string {
  const at = new Date(`${date}T00:00:00Z`);
  at.setUTCDate(at.getUTCDate() + days);
  return at.toISOString().slice(0, 10);
}
