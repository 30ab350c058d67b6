/**
 * The HTTP API under this site's own origin. The server in front removes the prefix.
 *
 * Every failure is an {@link ApiError} with a `code` to check. A request that changes something is sent only once: if its response
 * is lost, the API determines the outcome, not a second request.
 */

const PREFIX = '/api';
const TIMEOUT_MS = 15_000;
const RETRY_AFTER_MS = 600;

/** Why a request failed. */
export class ApiError extends Error {
  /**
   * @param {object} problem
   * @param {string} problem.code stable: the API's own, or `network`, `timeout`, `unexpected_answer`
   * @param {number} [problem.status] the HTTP status; 0 without a response
   * @param {string} [problem.detail] a sentence from the API
   * @param {string} [problem.requestId] for support requests
   * @param {number} [problem.retryAfter] when to try again, in seconds
   * @param {object} [problem.body] the whole response
   */
  constructor({ code, status = 0, detail = '', requestId = '', retryAfter = 0, body = {} }) {
    super(`${code}${status ? ` (${status})` : ''}`);
    this.name = 'ApiError';
    Object.assign(this, { code, status, detail, requestId, retryAfter, body });
  }

  /** Whether the client is not at fault: no response, or a 5xx. */
  get isOutage() {
    return this.status === 0 || this.status >= 500;
  }
}

/** @returns {string} the path under this origin, with the query's values that are not empty */
export function address(path, query = {}) {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== ''));
  return `${PREFIX}${path}${search.toString() ? `?${search}` : ''}`;
}

async function problem(response) {
  const type = response.headers.get('content-type') ?? '';
  const body = type.includes('json') ? await response.json().catch(() => ({})) : {};
  return new ApiError({
    code: body?.code ?? (response.status === 401 ? 'not_signed_in' : 'unexpected_answer'),
    status: response.status,
    detail: body?.detail ?? '',
    requestId: body?.request_id ?? '',
    retryAfter: Number(response.headers.get('retry-after')) || 0,
    body: body ?? {},
  });
}

async function once(method, path, { query, body, cache = 'default', timeout = TIMEOUT_MS, headers: more = {} } = {}) {
  const headers = { accept: 'application/json', ...more };
  if (body !== undefined) headers['content-type'] = 'application/json';
  let response;
  let answer = null;
  try {
    response = await fetch(address(path, query), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache,
      credentials: 'same-origin',
      signal: AbortSignal.timeout(timeout),
    });
    if (!response.ok) throw await problem(response);
    const text = await response.text();
    // A 204 has no body, and a 202 has one where there is something to say.
    if (text !== '' || ![202, 204].includes(response.status)) answer = JSON.parse(text);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (error.name === 'TimeoutError' || error.name === 'AbortError') throw new ApiError({ code: 'timeout' });
    if (error instanceof SyntaxError) throw new ApiError({ code: 'unexpected_answer', status: 502 });
    throw new ApiError({ code: 'network' });
  }
  return answer;
}

async function read(path, options) {
  try {
    return await once('GET', path, options);
  } catch (error) {
    if (error.code !== 'network' && ![502, 503, 504].includes(error.status)) throw error;
    await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
    return once('GET', path, options);
  }
}

/** Each returns the parsed body, or null if there is none, and throws {@link ApiError}. */
export const api = {
  /** A read is retried once after an outage. */
  get: read,
  post: (path, body, options) => once('POST', path, { ...options, body }),
  put: (path, body, options) => once('PUT', path, { ...options, body }),
  patch: (path, body, options) => once('PATCH', path, { ...options, body }),
  delete: (path, options) => once('DELETE', path, options),
};

/** One segment of a path. */
export const part = (text) => encodeURIComponent(text);
