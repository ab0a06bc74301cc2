/* What a widget says that goes by the way of Lab, where that way does not lead on. */

import { append, fill, h, link } from './dom';
import { failureOf, type Frame } from './frame';
import { NoLab } from './lab';
import { empty, problem } from './states';

/* Say what went wrong; where this page is no Lab of Mavis, say so, and which page has the same. */
export function fail(
  frame: Frame,
  place: HTMLElement,
  error: unknown,
  page: { words: string; url: string },
  retry?: () => void,
): void {
  const way = h('p', {}, link(page.words, page.url));
  if (error instanceof NoLab) {
    const text =
      'It works in the JupyterLab that Mavis starts for you. This page is in another Jupyter, or in a dashboard,' +
      ' which have no way to the gateway.';
    fill(place, empty('Not in this page', text, way));
    frame.say(text);
    return;
  }
  const failure = failureOf(error);
  const shown = problem(failure, retry);
  append(shown, way);
  fill(place, shown);
  frame.say(`${failure.message} ${failure.mend}`);
}
