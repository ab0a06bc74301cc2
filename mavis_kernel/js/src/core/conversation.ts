/* Questions to the Python side of a widget, and its answers.

   A question is {id, ask, with}. The kernel says {id, heard: true} as soon as it reads it, then
   {id, answer} or {id, failure}. Between question and `heard` a cell may be running; between
   `heard` and the answer it is the appliance that is asked. */

export interface Model {
  get<T>(name: string): T;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(name: string, listener: (...given: never[]) => void): void;
  off(name: string, listener: (...given: never[]) => void): void;
}

export type Kind =
  | 'bug'
  | 'conflict'
  | 'failed'
  | 'forbidden'
  | 'gone'
  | 'invalid'
  | 'no_project'
  | 'not_found'
  | 'not_logged_in'
  | 'unavailable';

/* What went wrong, as the Python side tells it. */
export interface Failure {
  kind: Kind;
  message: string;
  mend: string;
  field: string | null;
  request_id: string | null;
}

export class Refused extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/* How the kernel is: it answers, a cell keeps it, or nobody is there. */
export type Mood = 'there' | 'busy' | 'gone';

interface Waiting {
  settle(answer: unknown): void;
  refuse(failure: Failure): void;
  heard: boolean;
  timer: number;
}

interface Message {
  id?: string;
  heard?: boolean;
  answer?: unknown;
  failure?: Failure;
}

const BUSY_AFTER_MS = 2_000;
const GONE_AFTER_MS = 3_000;

const GONE: Failure = {
  kind: 'gone',
  message: 'The kernel of this widget is gone.',
  mend: 'Restart the kernel where that is needed, then run the cell again.',
  field: null,
  request_id: null,
};

let asked = 0;

export class Conversation {
  private readonly model: Model;
  private readonly waiting = new Map<string, Waiting>();
  private readonly onMood: (mood: Mood) => void;
  private mood: Mood = 'there';
  private lost = 0;

  constructor(model: Model, signal: AbortSignal, onMood: (mood: Mood) => void) {
    this.model = model;
    this.onMood = onMood;
    const hear = (message: Message) => this.hear(message);
    const live = () => this.doubt();
    model.on('msg:custom', hear);
    model.on('comm_live_update', live);
    signal.addEventListener('abort', () => {
      model.off('msg:custom', hear);
      model.off('comm_live_update', live);
      window.clearTimeout(this.lost);
      for (const each of this.waiting.values()) window.clearTimeout(each.timer);
      this.waiting.clear();
    });
  }

  /* Ask, and return the answer. Throws Refused. */
  ask<T>(what: string, given: Record<string, unknown> = {}): Promise<T> {
    const id = `q${Date.now().toString(36)}-${(asked += 1)}`;
    return new Promise<T>((resolve, reject) => {
      const timer = window.setTimeout(() => this.change('busy'), BUSY_AFTER_MS);
      this.waiting.set(id, {
        settle: answer => resolve(answer as T),
        refuse: failure => reject(new Refused(failure)),
        heard: false,
        timer,
      });
      try {
        this.model.send({ id, ask: what, with: given });
      } catch {
        this.end();
      }
    });
  }

  /* The page lost its line to the kernel, or got it back: ask, and see who answers. */
  private doubt(): void {
    window.clearTimeout(this.lost);
    this.lost = window.setTimeout(() => this.end(), GONE_AFTER_MS);
    this.ask('ping').then(
      () => this.change('there'),
      () => undefined,
    );
  }

  private end(): void {
    this.change('gone');
    for (const [id, each] of this.waiting) {
      window.clearTimeout(each.timer);
      this.waiting.delete(id);
      each.refuse(GONE);
    }
  }

  private hear(message: Message): void {
    const waiting = message.id === undefined ? undefined : this.waiting.get(message.id);
    if (waiting === undefined || message.id === undefined) return; // another view's
    window.clearTimeout(waiting.timer);
    window.clearTimeout(this.lost);
    this.change('there');
    if (message.heard === true) return;
    this.waiting.delete(message.id);
    if (message.failure === undefined) waiting.settle(message.answer);
    else waiting.refuse(message.failure);
  }

  private change(mood: Mood): void {
    if (mood === this.mood) return;
    this.mood = mood;
    this.onMood(mood);
  }
}
