/* The recording of a session: the player that the page has, by the way that Lab has. */

import { clock, Replay, SPEEDS, type Hit } from '../../../extensions/assets/src/replay';
import { button, copy, fill, h, ident, link } from './core/dom';
import { fail } from './core/elsewhere';
import { widget } from './core/frame';
import { call, isProduction, read } from './core/lab';
import { ofProject } from './core/project';
import { empty, production } from './core/states';
import { filter } from './core/table';
import { moment } from './core/times';

interface Session {
  id: string;
  device: string;
  person: string;
  login: string;
  state: string;
  opened_at: string | null;
}

const MOST = 100;

export default widget(
  'Recording',
  frame => {
    let replay: Replay | null = null;
    let going = 0;
    const project = () => frame.get<string>('project');
    const id = () => frame.get<string>('session');
    const path = (...more: string[]) => ['projects', project(), 'sessions', id(), ...more];
    const page = () => ({ words: 'Show the session', url: frame.page(...path()) });

    const leave = () => {
      going += 1;
      replay?.close();
      replay = null;
    };

    const load = async () => {
      leave();
      const mine = going;
      if (!id()) {
        fill(frame.body, empty('No session named', 'A terminal that was opened has it: Player(terminal.session)'));
        return;
      }
      fill(frame.body, h('p', { class: 'mavis-loading' }, 'The recording is coming …'));
      try {
        const session = await read<Session>('GET', path());
        const answer = await call('GET', path('recording'));
        const data = await answer.text();
        if (mine !== going || frame.signal.aborted) return;
        show(session, data);
        void mark(session);
      } catch (error) {
        if (mine !== going || frame.signal.aborted) return;
        fail(frame, frame.body, error, page(), () => void load());
      }
    };

    const show = (session: Session, data: string) => {
      const place = h('div', { class: 'mavis-player' });
      const found = h('ul', { class: 'mavis-list mavis-hits' });
      const count = h('span', { class: 'mavis-dim', role: 'status' });
      const linked = h('span', { class: 'mavis-dim', role: 'status' });
      frame.context(...about(session));
      const speed = h(
        'select',
        { 'data-key': 'speed', onchange: () => made.setSpeed(Number(speed.value)) },
        ...SPEEDS.map(each => h('option', { value: each, selected: each === 1 }, `${each}×`)),
      );
      const skip = h('input', { type: 'checkbox', 'data-key': 'skip', onchange: () => made.leaveOutIdle(skip.checked) });
      let sought = '';
      const seek = (words: string) => {
        if (words === sought) return; // a click on a line leaves the field, which says all again
        sought = words;
        const hits = made.find(words);
        fill(found, ...hits.slice(0, MOST).map(hit => h('li', {}, line(made, hit))));
        count.textContent = words === '' ? '' : counted(hits.length);
      };
      const copyLink = () => {
        const at = made.now;
        void copy(`${page().url}#t=${Math.floor(at)}`).then(done => {
          linked.textContent = done
            ? `A link to ${clock(at)} is in your clipboard.`
            : 'The clipboard is closed to this page; the page of the session has the same link.';
        });
      };
      fill(
        frame.body,
        h('p', { class: 'mavis-dim' }, 'That you replay it is recorded.', session.state !== 'ended' && ' The session goes on: this is what was recorded until now.'),
        place,
        h(
          'div',
          { class: 'mavis-row' },
          h('label', { class: 'mavis-row' }, 'Speed', speed),
          h('label', { class: 'mavis-row' }, skip, 'Leave out what is idle'),
          button('Copy a link to this moment', copyLink, { key: 'link' }),
          link(page().words, page().url),
          linked,
        ),
        h('div', { class: 'mavis-row' }, filter('Look in this recording', '', seek), count),
        found,
      );
      const made = new Replay(place, data, frame.get<number>('at_s'), 'mavis');
      replay = made;
      frame.say(`The recording of ${session.person} at ${session.device} is there`);
    };

    const line = (made: Replay, hit: Hit) =>
      button(`${clock(hit.at)}  ${hit.text.slice(0, 200)}`, () => go(made, hit), { kind: 'bare' });
    const go = (made: Replay, hit: Hit) => {
      made.jump(hit);
      frame.body.querySelector('.mavis-player')?.scrollIntoView({ block: 'nearest' });
    };

    const about = (session: Session, marked = false) => [
      h('span', {}, `${session.person} as ${session.login} at ${session.device} in `, h('strong', {}, project())),
      moment(session.opened_at),
      ident(session.id),
      marked && production(),
    ];
    const mark = async (session: Session) => {
      const marked = await isProduction(project());
      if (!frame.signal.aborted) frame.context(...about(session, marked));
    };

    frame.signal.addEventListener('abort', leave);
    frame.on(['session'], () => void load());
    frame.on(['at_s'], () => replay?.seek(frame.get<number>('at_s')));
    ofProject(frame, "Player('ses_…', 'shop')", () => void load());
  },
  'lab',
);

function counted(lines: number): string {
  if (lines > MOST) return `${lines} lines; the first ${MOST} are shown`;
  return lines === 1 ? '1 line' : `${lines} lines`;
}
