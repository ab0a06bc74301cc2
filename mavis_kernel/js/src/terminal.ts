/* A terminal at a device: the one that the page has, by the way that Lab has. */

import { Screen } from '../../../extensions/assets/src/screen';
import type { Problem } from '../../../extensions/assets/src/conversation';
import { button, fill, h, icon, link } from './core/dom';
import { fail } from './core/elsewhere';
import { Refused, widget } from './core/frame';
import { gateway, isProduction, read, told } from './core/lab';
import { ofProject } from './core/project';
import { empty, production } from './core/states';

interface Ticket {
  ticket: string;
  address: string;
  session: { id: string; login: string; state: string };
}

const NOTICE =
  'This session is recorded: what is shown, and who is here. Do not go on if you do not agree.';

export default widget(
  'Terminal',
  frame => {
    const words = h('p', { class: 'mavis-said', role: 'status' });
    const hangUp = button('Hang up', () => screen?.hangUp());
    const bar = h('div', { class: 'mavis-row mavis-bar' }, words, h('span', { class: 'mavis-row' }, hangUp));
    const place = h('div', { class: 'mavis-terminal', 'data-key': 'terminal' });
    const dialogs = h('div', {});
    const under = h('div', { class: 'mavis-group' });
    let screen: Screen | null = null;
    let going = 0;
    let opened = false;
    let login = '';
    let marked = false;

    const project = () => frame.get<string>('project');
    const device = () => frame.get<string>('device');
    const sessions = (...more: string[]) => ['projects', project(), 'sessions', ...more];
    const devices = () => ({ words: 'Devices of this project', url: frame.page('projects', project(), 'devices') });
    const itsPage = (id: string) => ({ words: 'Show the session', url: frame.page(...sessions(id)) });
    const theme = () => (frame.root.dataset['theme'] === 'dark' ? 'dark' : 'light');

    const say = (text: string, kind: string) => {
      words.textContent = text;
      words.className = `mavis-said${kind && ` is-${kind}`}`;
    };
    const remember = (id: string) => {
      if (frame.get<string>('session') === id) return;
      try {
        frame.set({ session: id });
      } catch {
        // the kernel is gone: this page knows it all the same
      }
    };
    const leave = () => {
      going += 1;
      screen?.close();
      screen = null;
      fill(place);
      fill(dialogs);
      fill(under);
      delete place.dataset['over'];
      place.hidden = opened = false;
      login = '';
    };

    /* Nothing is opened before somebody has read that it is recorded. */
    const offer = () => {
      leave();
      const open = button(`Open a terminal at ${device()}`, () => void begin(), { kind: 'first', key: 'open' });
      fill(frame.body, empty('This session will be recorded', NOTICE, h('p', {}, open)));
    };

    const show = () => {
      hangUp.hidden = true;
      place.style.height = `${frame.get<number>('rows') * 17}px`; // about; the screen says it exactly
      fill(frame.body, bar, place, under, dialogs);
    };

    const begin = () => {
      const service = frame.get<string | null>('access_service');
      const body = { device: device(), entrance: 'notebook', ...(service ? { access_service: service } : {}) };
      return come(() => read<Ticket>('POST', sessions(), body));
    };

    /* A page that was loaded again comes back to its session, while that waits. */
    const comeBack = (id: string) => come(() => read<Ticket>('POST', sessions(id, 'return'), {}), id);

    const come = async (ask: () => Promise<Ticket>, before = '') => {
      leave();
      const mine = going;
      show();
      say('Connecting …', '');
      try {
        const asked = await ask();
        if (mine !== going || frame.signal.aborted) return;
        remember(asked.session.id);
        connect(asked);
      } catch (error) {
        if (mine !== going || frame.signal.aborted) return;
        const gone = error instanceof Refused && ['conflict', 'not_found'].includes(error.failure.kind);
        if (before && gone) hasEnded(before, 'That session has ended');
        else fail(frame, frame.body, error, devices(), () => void (before ? comeBack(before) : begin()));
      }
    };

    const connect = (asked: Ticket) => {
      const made = new Screen(place, dialogs, { watching: false, rows: frame.get<number>('rows') });
      screen = made;
      made.paint(theme());
      login = asked.session.login;
      frame.context(...about());
      made.connect(gateway(asked.address), asked.ticket, {
        say,
        opened: () => {
          opened = true;
          hangUp.hidden = false;
          made.focus();
        },
        over: (text, kind, problem) => {
          say(text, kind);
          frame.say(text);
          hangUp.hidden = true;
          place.dataset['over'] = '';
          if (problem !== null) explain(problem, asked.session.id);
          else after(asked.session.id);
        },
      });
    };

    /* What never opened, or broke off, is told with its mend; the screen stays where there is one. */
    const explain = (problem: Problem, id: string) => {
      const failure = told(problem.code === 'forbidden' ? 'forbidden' : 'failed', problem.title, problem.mend);
      const hostKey = problem.code.startsWith('host_key');
      const page = hostKey ? { words: 'Compare and approve host keys', url: devices().url } : itsPage(id);
      place.hidden = !opened;
      if (!opened) login = ''; // nothing was recorded
      frame.context(...about());
      fail(frame, under, new Refused(failure), page, () => void (opened ? comeBack(id) : begin()));
      say('Not connected', 'bad');
    };

    const after = (id: string) => {
      const again = button('Open another', () => void begin(), { key: 'open' });
      const { words: text, url } = itsPage(id);
      fill(under, h('p', { class: 'mavis-row' }, again, link(text, url)));
    };

    const hasEnded = (id: string, text: string) => {
      leave();
      fill(frame.body, empty(text, under));
      after(id);
    };

    const about = () => [
      login && h('span', { class: 'mavis-state is-bad' }, icon('dot'), 'recorded'),
      h('span', {}, `${login && `${login} at `}${device()} in `, h('strong', {}, project())),
      marked && production(),
    ];
    const look = async () => {
      marked = false;
      frame.context(...about());
      try {
        marked = await isProduction(project());
        frame.context(...about());
      } catch (error) {
        if (!frame.signal.aborted && screen === null) fail(frame, frame.body, error, devices(), start);
      }
    };

    let at = '';
    const start = () => {
      if (at && at !== project()) remember(''); // that session is of another project
      at = project();
      if (!device()) {
        leave();
        fill(frame.body, empty('No device named', "Terminal('shop', 'web-1') names one."));
        return;
      }
      const id = frame.get<string>('session');
      if (id) void comeBack(id);
      else offer();
      void look();
    };

    const painted = new MutationObserver(() => screen?.paint(theme()));
    painted.observe(frame.root, { attributes: true, attributeFilter: ['data-theme'] });
    frame.signal.addEventListener('abort', () => {
      painted.disconnect();
      leave();
    });
    frame.on(['device', 'access_service'], () => {
      remember('');
      start();
    });
    ofProject(frame, "Terminal('shop', 'web-1')", start);
  },
  'lab',
);
