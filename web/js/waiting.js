/** Polls something until it is settled: often at first, then less often, and at once when the user returns to the page. */

const FIRST_WAIT_MS = 700;
const LONGEST_WAIT_MS = 15_000;
const GROWTH = 1.5;
/** After this many polls, about three minutes, the page waits for the user to ask. */
export const LAST_LOOK = 18;

/**
 * @param {object} options
 * @param {() => Promise<object>} options.ask
 * @param {(answer: object) => boolean} options.isSettled
 * @param {(answer: object, how: {looks: number, isLast: boolean}) => void} options.heard
 * @param {(error: Error) => void} options.failed after which it polls again, unless the request itself is at fault
 * @returns {{begin: () => void, again: () => void}} `again` starts over
 */
export function waitFor({ ask, isSettled, heard, failed }) {
  let looks = 0;
  let timer;
  let looking = false;

  async function look() {
    clearTimeout(timer);
    timer = undefined;
    if (looking) return;
    looking = true;
    try {
      const answer = await ask();
      looks += 1;
      heard(answer, { looks, isLast: looks >= LAST_LOOK });
      if (!isSettled(answer) && looks < LAST_LOOK) later();
    } catch (error) {
      failed(error);
      if (error.isOutage) {
        looks += 1;
        if (looks < LAST_LOOK) later();
      }
    } finally {
      looking = false;
    }
  }

  function later() {
    timer = setTimeout(look, Math.min(FIRST_WAIT_MS * GROWTH ** looks, LONGEST_WAIT_MS));
  }

  function again() {
    looks = 0;
    look();
  }

  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && timer !== undefined) again();
  });
  return { begin: look, again };
}
