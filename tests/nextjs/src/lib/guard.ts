// What every route asks before it does anything: who is signed in, and whether the request may have come from our pages.
import { type Session, sessionOf } from '@/lib/session';

const LONGEST_BODY = 16 * 1024; // bytes; the longest request there is holds two ids, or a comment of 2,000 characters

/** The answer to a request that is not granted. */
export function refuse(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status });
}

/** The session of whoever asks, or the answer that nobody is signed in. */
export async function signedIn(request: Request): Promise<Session | Response> {
  return (await sessionOf(request.headers)) ?? refuse(403, 'forbidden', 'sign in first');
}

/**
 * The session and the JSON body of a request that writes, or the answer why it is refused. A page elsewhere can send a
 * form or plain text here with our cookies, but neither this content type nor our origin.
 */
export async function written(request: Request): Promise<{ session: Session; sent: unknown } | Response> {
  const session = await signedIn(request);
  if (session instanceof Response) return session;
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') return refuse(415, 'not_json', 'the body must be application/json');
  if (!sameOrigin(request.headers)) return refuse(403, 'other_origin', 'only this application may send this');
  const text = await textOf(request);
  if (text === null) return refuse(413, 'too_large', `the body may have at most ${LONGEST_BODY} bytes`);
  try {
    return { session, sent: JSON.parse(text) as unknown };
  } catch {
    return refuse(400, 'not_json', 'the body is no JSON');
  }
}

/** Browsers send Origin with every request that writes; behind a proxy the host they asked for is the forwarded one. */
function sameOrigin(headers: Headers): boolean {
  const host = headers.get('x-forwarded-host') ?? headers.get('host');
  try {
    return host !== null && new URL(headers.get('origin') ?? '').host === new URL(`http://${host}`).host;
  } catch {
    return false; // no origin, or one such as "null"
  }
}

/** The body's text; null where it is longer than it may be, of which no more is read than that. */
async function textOf(request: Request): Promise<string | null> {
  if (request.body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  for await (const chunk of request.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.byteLength;
    if (length > LONGEST_BODY) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
