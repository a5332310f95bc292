// What is still to happen, by time and then by the order in which it was asked for: a binary heap.

interface Timed {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export interface EventQueue {
  add(at: number, run: () => void): void;
  /** Instant of the next event; Infinity when nothing is to come. */
  nextAt(): number;
  /** Takes the next event out; undefined when nothing is to come. */
  take(): Timed | undefined;
}

const before = (x: Timed, y: Timed): boolean => x.at < y.at || (x.at === y.at && x.order < y.order);

export function createQueue(): EventQueue {
  const heap: Timed[] = [];
  let order = 0;

  function sink(last: Timed): void {
    let hole = 0;
    for (;;) {
      const left = 2 * hole + 1;
      const first = heap[left];
      if (first === undefined) break;
      const second = heap[left + 1];
      const [child, at] = second !== undefined && before(second, first) ? [second, left + 1] : [first, left];
      if (!before(child, last)) break;
      heap[hole] = child;
      hole = at;
    }
    heap[hole] = last;
  }

  return {
    add(at, run) {
      const one: Timed = { at, order: order++, run };
      let hole = heap.length;
      heap.push(one);
      while (hole > 0) {
        const up = (hole - 1) >> 1;
        const parent = heap[up];
        if (parent === undefined || !before(one, parent)) break;
        heap[hole] = parent;
        hole = up;
      }
      heap[hole] = one;
    },
    nextAt: () => heap[0]?.at ?? Infinity,
    take() {
      const top = heap[0];
      const last = heap.pop();
      if (last !== undefined && heap.length > 0) sink(last);
      return top;
    },
  };
}
