/* Moments and durations: relative and absolute in the reader's zone, UTC on hover. */

import { h } from './dom';

const ABSOLUTE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const STEPS: readonly (readonly [number, number, string])[] = [
  [90, 1, 's'],
  [5_400, 60, 'min'],
  [172_800, 3_600, 'h'],
];
const DAYS_SHOWN = 60;

export function relative(iso: string, now = Date.now()): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  const size = Math.abs(seconds);
  if (size < 3) return 'just now';
  if (size > DAYS_SHOWN * 86_400) return '';
  const [, unit, name] = STEPS.find(([limit]) => size < limit) ?? [0, 86_400, 'd'];
  const text = `${Math.round(size / unit)} ${name}`;
  return seconds > 0 ? `${text} ago` : `in ${text}`;
}

export function duration(seconds: number): string {
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 172_800) return `${Math.floor(whole / 3_600)} h ${two((whole % 3_600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${two((whole % 86_400) / 3_600)} h`;
}

export function between(from: string | null, to: string | null): string {
  if (from === null) return '';
  return duration(((to === null ? Date.now() : Date.parse(to)) - Date.parse(from)) / 1000);
}

/* A moment; what is relative in it goes on while the widget lives. */
export function moment(iso: string | null | undefined, nothing = '–'): HTMLElement {
  if (!iso) return h('span', {}, nothing);
  const made = h('time', { datetime: iso, title: utc(iso) });
  say(made);
  return made;
}

export function utc(iso: string): string {
  return `${new Date(iso).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

export function local(iso: string): string {
  return ABSOLUTE.format(new Date(iso));
}

function say(made: HTMLElement): void {
  const iso = made.getAttribute('datetime') ?? '';
  const near = relative(iso);
  const text = near ? `${near} · ${SHORT.format(new Date(iso))}` : SHORT.format(new Date(iso));
  if (made.textContent !== text) made.textContent = text;
}

/* Keep the relative times below an element right. */
export function tick(root: Element, signal: AbortSignal): void {
  const timer = window.setInterval(() => {
    for (const each of root.querySelectorAll<HTMLElement>('time[datetime]')) say(each);
    for (const each of root.querySelectorAll<HTMLElement>('[data-since]')) {
      each.textContent = between(each.dataset['since'] ?? null, null);
    }
  }, 1_000);
  signal.addEventListener('abort', () => window.clearInterval(timer));
}

/* A duration that goes on until something is over. */
export function elapsed(from: string | null, to: string | null): HTMLElement {
  const made = h('span', { class: 'mavis-elapsed' }, between(from, to));
  if (from !== null && to === null) made.dataset['since'] = from;
  return made;
}
