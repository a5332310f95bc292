// Effects that touch the same thing run one after the other, in the order they were asked for; others run side by side.

export interface Lanes {
  run(lane: string, work: () => Promise<void>): void;
  /** Resolves when every lane is empty. */
  idle(): Promise<void>;
}

export function createLanes(onBug: (error: unknown) => void): Lanes {
  const tails = new Map<string, Promise<void>>();
  return {
    run(lane, work) {
      const tail = (tails.get(lane) ?? Promise.resolve()).then(work).catch(onBug);
      tails.set(lane, tail);
      void tail.then(() => {
        if (tails.get(lane) === tail) tails.delete(lane);
      });
    },
    async idle() {
      while (tails.size > 0) await Promise.all(tails.values());
    },
  };
}
