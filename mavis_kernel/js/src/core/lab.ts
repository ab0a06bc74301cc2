/* The way to the appliance that a page in a Lab of Mavis has: through the person's own server, which
   asks with its own token. `mavis_ext.lab` is the other end. */

import { Refused, type Failure, type Kind } from './conversation';

/* There is no such way from this page: it is of another Jupyter, or a dashboard. */
export class NoLab extends Error {}

interface Problem {
  code?: string;
  detail?: string;
  mend?: string;
  request_id?: string;
}

const KINDS: Record<number, Kind> = {
  400: 'invalid',
  401: 'not_logged_in',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  422: 'invalid',
  429: 'unavailable',
  503: 'unavailable',
};
const PROBLEM = 'application/problem+json';
const GATEWAY = '/services/mavis-gateway/';

/* Ask the API, and return its answer. Throws NoLab and Refused. */
export async function call(method: 'GET' | 'POST', path: readonly string[], body?: object): Promise<Response> {
  const server = base();
  const headers: Record<string, string> = { Accept: '*/*', 'X-XSRFToken': xsrf() };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const address = `${server}mavis/api/v1/${path.map(encodeURIComponent).join('/')}`;
  let answer: Response;
  try {
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    answer = await fetch(address, { method, headers, credentials: 'same-origin', ...content });
  } catch {
    throw new Refused(
      told('unavailable', 'Your server does not answer.', 'Look whether it runs, and at your network; then try again.'),
    );
  }
  if (answer.ok) return answer;
  const kind = answer.headers.get('Content-Type')?.split(';')[0];
  if (kind !== PROBLEM) throw new NoLab();
  const problem = (await answer.json()) as Problem;
  throw new Refused({
    ...told(KINDS[answer.status] ?? 'failed', problem.detail ?? '', problem.mend ?? ''),
    request_id: problem.request_id ?? null,
  });
}

export async function read<T>(method: 'GET' | 'POST', path: readonly string[], body?: object): Promise<T> {
  return (await (await call(method, path, body)).json()) as T;
}

export async function isProduction(project: string): Promise<boolean> {
  return (await read<{ production: boolean }>('GET', ['projects', project])).production;
}

/* The address by way of this server of a WebSocket of the gateway, whose own a ticket names. */
export function gateway(address: string): string {
  const rest = address.startsWith(GATEWAY) ? address.slice(GATEWAY.length) : '';
  const url = new URL(`${base()}mavis/gateway/${rest}`, location.href);
  url.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
  return url.href;
}

export function told(kind: Kind, message: string, mend: string): Failure {
  return { kind, message, mend, field: null, request_id: null };
}

/* Where the server of this page is: what JupyterLab, Notebook 7 and Voila write into their pages. */
function base(): string {
  const text = document.getElementById('jupyter-config-data')?.textContent;
  let found: unknown;
  try {
    found = (JSON.parse(text ?? '') as { baseUrl?: unknown }).baseUrl;
  } catch {
    throw new NoLab();
  }
  if (typeof found !== 'string' || !found.startsWith('/')) throw new NoLab();
  return found.endsWith('/') ? found : `${found}/`;
}

function xsrf(): string {
  let cookies: string;
  try {
    cookies = document.cookie;
  } catch {
    throw new NoLab(); // a frame that is nobody's, as a dashboard's is
  }
  return decodeURIComponent(/(?:^|;\s*)_xsrf=([^;]*)/.exec(cookies)?.[1] ?? '');
}
