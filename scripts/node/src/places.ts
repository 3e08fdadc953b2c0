// How many predictions may be under way at once, and the queue of those that wait.
import type { Deadline } from './deadline.js';

export class Places {
  readonly #free: number[];
  readonly #waiting = new Set<(place: number) => void>();
  readonly #maxQueue: number;

  constructor(places: number, maxQueue: number) {
    this.#free = Array.from({ length: places }, (_, number) => places - 1 - number);
    this.#maxQueue = maxQueue;
  }

  /** The number of a place, once one is free; 'busy' where too many wait, 'over' where the deadline came first. */
  take(deadline: Deadline): Promise<number | 'busy' | 'over'> {
    if (deadline.reason !== undefined) return Promise.resolve('over');
    const place = this.#free.pop();
    if (place !== undefined) return Promise.resolve(place);
    if (this.#waiting.size >= this.#maxQueue) return Promise.resolve('busy');
    return new Promise((resolve) => {
      const mine = (given: number): void => {
        forget();
        resolve(given);
      };
      const forget = deadline.onEnd(() => {
        this.#waiting.delete(mine);
        resolve('over');
      });
      this.#waiting.add(mine);
    });
  }

  /** Gives the place to whoever has waited longest. */
  give(place: number): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free.push(place);
    } else {
      this.#waiting.delete(next);
      next(place);
    }
  }
}
