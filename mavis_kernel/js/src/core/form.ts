/* A form over a plan's document. What it has no field for stays as it is. */

import { button, fill, h } from './dom';
import type { Failure } from './conversation';

export type Document = Record<string, unknown>;

interface Field {
  path: string;
  label: string;
  hint?: string;
  kind?: 'text' | 'count' | 'words' | 'flag' | 'zone';
}

const FIELDS: readonly Field[] = [
  { path: 'title', label: 'Title' },
  { path: 'zone', label: 'Time zone', kind: 'zone' },
  { path: 'rpo', label: 'Objective (RPO)', hint: 'how old the newest may be: 26h' },
  { path: 'jitter', label: 'Spread over', hint: 'such as 10m' },
];
const SELECTION: readonly Field[] = [
  { path: 'selection.match', label: 'Instances that match', hint: 'tag:backup = gold and environment != lab' },
  { path: 'selection.resources', label: 'And these', hint: 'names or cloud ids, with commas', kind: 'words' },
  { path: 'selection.environments', label: 'Only in environments', hint: 'with commas', kind: 'words' },
  { path: 'selection.exclude', label: 'But not what matches', hint: 'name ~ "tmp-*"' },
];
const KEEP: readonly Field[] = [
  ...['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'].map(
    (name): Field => ({ path: `keep.${name}`, label: name.charAt(0).toUpperCase() + name.slice(1), kind: 'count' }),
  ),
  { path: 'keep.within', label: 'All younger than', hint: 'such as 48h' },
];

let forms = 0;

export class Form {
  document: Document = {};
  readonly root = h('div', { class: 'mavis-group' });
  private readonly changed: () => void;
  private readonly own = `mavis-form-${(forms += 1)}`;

  constructor(changed: () => void) {
    this.changed = changed;
  }

  /* Show another document. */
  take(document: Document): void {
    this.document = structuredClone(document);
    this.draw();
  }

  /* Mark the field at fault, and return whether there is one; null: nothing is wrong. */
  wrong(failure: Failure | null): boolean {
    for (const each of this.root.querySelectorAll('.is-wrong')) {
      each.classList.remove('is-wrong');
      each.querySelector('.mavis-wrong')?.remove();
      const input = each.querySelector('input, textarea');
      input?.removeAttribute('aria-invalid');
      input?.removeAttribute('aria-describedby');
    }
    if (failure === null) return false;
    const path = (failure.field ?? '').replace(/^definition\.?/, '');
    const input = this.field(path);
    const field = input?.closest('.mavis-field');
    if (input === null || field === null || field === undefined) return false;
    const id = `${this.own}-wrong`;
    field.classList.add('is-wrong');
    field.append(h('span', { class: 'mavis-wrong', id }, `${failure.message.replace(/[.]$/, '')}. ${failure.mend}`));
    input.setAttribute('aria-invalid', 'true');
    input.setAttribute('aria-describedby', id);
    return true;
  }

  /* The field of a path, or of the nearest thing around it. */
  private field(path: string): HTMLElement | null {
    for (let at = path; at !== ''; at = at.replace(/(\.|\[)[^.[]*$/, '')) {
      const found = this.root.querySelector<HTMLElement>(`[data-field="${CSS.escape(at)}"]`);
      if (found !== null) return found;
      if (!/[.[]/.test(at)) break;
    }
    return this.root.querySelector<HTMLElement>('textarea[data-field=""]');
  }

  private draw(): void {
    const enabled = h('input', { type: 'checkbox', 'data-key': 'enabled', 'data-field': 'enabled' });
    enabled.checked = this.document['enabled'] !== false;
    enabled.addEventListener('change', () => this.put('enabled', enabled.checked));
    fill(
      this.root,
      h('div', { class: 'mavis-fields' }, ...FIELDS.map(each => this.input(each))),
      h('label', { class: 'mavis-row' }, enabled, 'Its slots begin by themselves'),
      this.group('What it protects', h('div', { class: 'mavis-fields' }, ...SELECTION.map(each => this.input(each)))),
      this.group('When', this.rules()),
      this.group('What is kept', h('div', { class: 'mavis-fields is-narrow' }, ...KEEP.map(each => this.input(each)))),
      this.whole(),
    );
  }

  private group(title: string, content: HTMLElement): HTMLElement {
    return h('fieldset', { class: 'mavis-group' }, h('legend', {}, title), content);
  }

  private input(field: Field): HTMLElement {
    const { path, label, hint = '', kind = 'text' } = field;
    const value = read(this.document, path);
    const input = h('input', {
      type: kind === 'count' ? 'number' : 'text',
      min: kind === 'count' ? 0 : null,
      placeholder: hint,
      spellcheck: 'false',
      'data-key': path,
      'data-field': path,
      list: kind === 'zone' ? `${this.own}-zones` : null,
    });
    input.value = Array.isArray(value) ? value.join(', ') : value === undefined || value === null ? '' : String(value);
    input.addEventListener('input', () => this.put(path, parse(input.value, kind)));
    return h('label', { class: 'mavis-field' }, label, input, kind === 'zone' && this.zones());
  }

  private zones(): HTMLElement {
    const names = Intl.supportedValuesOf('timeZone');
    return h('datalist', { id: `${this.own}-zones` }, ...names.map(each => h('option', { value: each })));
  }

  private rules(): HTMLElement {
    const rules = (this.document['rules'] ?? []) as Document[];
    return h(
      'div',
      { class: 'mavis-group' },
      ...rules.map((rule, at) => this.rule(rule, at, rules.length)),
      h(
        'div',
        { class: 'mavis-row' },
        button('Add a rule', () => this.setRules([...rules, { name: `rule-${rules.length + 1}`, cron: '0 3 * * *' }])),
      ),
    );
  }

  private rule(rule: Document, at: number, of: number): HTMLElement {
    const field = (name: string, label: string) => {
      const input = h('input', {
        spellcheck: 'false',
        'data-key': `rules[${at}].${name}`,
        'data-field': `rules[${at}].${name}`,
      });
      input.value = String(rule[name] ?? '');
      input.addEventListener('input', () => {
        rule[name] = input.value;
        this.tell();
      });
      return h('label', { class: 'mavis-field' }, label, input);
    };
    return h(
      'div',
      { class: 'mavis-rule' },
      field('name', 'Rule'),
      field('cron', 'Cron: minute hour day month weekday'),
      button('Remove', () => this.setRules((this.document['rules'] as Document[]).filter(each => each !== rule)), {
        key: `remove:${at}`,
        label: `Remove the rule ${String(rule['name'])}`,
        why: of === 1 ? 'A plan needs a rule' : null,
      }),
    );
  }

  private setRules(rules: Document[]): void {
    this.document = { ...this.document, rules };
    this.draw();
    this.changed();
  }

  private whole(): HTMLElement {
    const text = h('textarea', { rows: 12, 'data-key': 'whole', 'data-field': '', spellcheck: 'false' });
    text.value = JSON.stringify(this.document, null, 2);
    const field = h('label', { class: 'mavis-field' }, 'The document, with all that has no field above', text);
    const wrong = h('span', { class: 'mavis-wrong', role: 'status' });
    field.append(wrong);
    text.addEventListener('change', () => {
      try {
        const found: unknown = JSON.parse(text.value);
        if (found === null || typeof found !== 'object' || Array.isArray(found)) throw new Error('It is no object.');
        this.take(found as Document);
        this.changed();
      } catch (error) {
        wrong.textContent = `That is no JSON: ${error instanceof Error ? error.message : ''}`;
      }
    });
    const details = h('details', {}, h('summary', { 'data-key': 'whole-summary' }, 'As a document'), field);
    details.addEventListener('toggle', () => {
      text.value = JSON.stringify(this.document, null, 2);
    });
    return details;
  }

  private put(path: string, value: unknown): void {
    write(this.document, path, value);
    this.tell();
  }

  private tell(): void {
    this.changed();
  }
}

function parse(text: string, kind: string): unknown {
  const trimmed = text.trim();
  if (kind === 'words') {
    const words = trimmed.split(',').map(each => each.trim());
    return words.some(Boolean) ? words.filter(Boolean) : undefined;
  }
  if (trimmed === '') return undefined;
  return kind === 'count' ? Number(trimmed) : text;
}

function read(document: Document, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => (at as Document | undefined | null)?.[name], document);
}

/* Set what is at a path; undefined takes it away. */
function write(document: Document, path: string, value: unknown): void {
  const names = path.split('.');
  const last = names.pop() ?? '';
  let at = document;
  for (const name of names) {
    const next = at[name];
    at[name] = next !== null && typeof next === 'object' ? next : {};
    at = at[name] as Document;
  }
  if (value === undefined) delete at[last];
  else at[last] = value;
}
