/* What widgets of one project share: which one it is, and what there is to do without one. */

import type { Frame } from './frame';
import { fill, h } from './dom';
import { empty } from './states';

/* Read when the project is named, again when it changes; say what to do while none is. */
export function ofProject(frame: Frame, example: string, read: () => void): void {
  const again = () => {
    frame.reset();
    const project = frame.get<string | null>('project');
    if (project === null || project === '') {
      fill(frame.body, empty('No project chosen', `Name one, or give a ProjectPicker: ${example}`));
      frame.context();
      return;
    }
    frame.context(h('strong', {}, project));
    read();
  };
  frame.refresh = again;
  frame.on(['project'], again);
  again();
  frame.refresh = read;
}
