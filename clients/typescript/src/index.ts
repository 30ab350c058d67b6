/** A typed client: its paths, bodies and answers are those of openapi.yaml. */

import createFetchClient, { type Client, type ClientOptions } from 'openapi-fetch';

import type { components, paths } from './api.js';

export type { components, operations, paths } from './api.js';

/** A body with a stable `code`, RFC 9457. */
export type Problem = components['schemas']['Problem'];

export interface Options extends ClientOptions {
  /** The API's URL, such as the stack's output ApiUrl. */
  baseUrl: string;
  /** The session's token, read before each request. Pages on the API's own origin need none: their cookie is sent. */
  token?: () => string | undefined;
}

/** A client with a method for each HTTP method: `api.GET('/courses/{slug}', { params: { path: { slug } } })`. */
export function connect({ token, ...options }: Options): Client<paths> {
  const client = createFetchClient<paths>({ credentials: 'include', ...options });
  client.use({
    onRequest({ request }) {
      const known = token?.();
      if (known !== undefined) request.headers.set('authorization', `Bearer ${known}`);
      return request;
    },
  });
  return client;
}

/** What the API answered instead of what was asked for. */
export class Refused extends Error {
  /** The problem's code; `http_429` and the like if the answer is API Gateway's own, which has none. */
  readonly code: string;
  readonly status: number;
  readonly problem: Partial<Problem>;

  constructor(response: Response, problem: Partial<Problem> = {}) {
    super(problem.detail ?? `${response.status} ${response.statusText}`);
    this.name = 'Refused';
    this.status = response.status;
    this.problem = problem;
    this.code = problem.code ?? `http_${response.status}`;
  }
}

/**
 * The body of an answer.
 *
 * @throws {Refused} if the API refused the request
 */
export async function body<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw new Refused(response, typeof error === 'object' && error !== null ? error : {});
  return data as T;
}

/** All items of a list, page after page: `items((cursor) => body(api.GET('/courses', { params: { query: { cursor } } })))`. */
export async function* items<T>(page: (cursor: string | undefined) => Promise<{ items: T[]; next_cursor: string | null }>): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const { items, next_cursor } = await page(cursor);
    yield* items;
    cursor = next_cursor ?? undefined;
  } while (cursor !== undefined);
}
