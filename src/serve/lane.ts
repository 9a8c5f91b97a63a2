/** The work of one kind that waits: groups of items, one for each request, taken by turns. */
import type { Clip } from '../clip.ts';

export type Kind = 'pictures' | 'texts';

/** An embedding, and for a text how many tokens it has. */
export interface Embedded {
  readonly embedding: Float32Array;
  readonly tokens: number;
}

/** Weight of the newest batch in the time of an item. */
const NEWEST = 0.2;

/** Items of one request. */
export interface Group<I> {
  readonly items: readonly I[];
  readonly results: Embedded[];
  readonly since: number;
  readonly signal: AbortSignal | undefined;
  next: number;
  ended: boolean;
  left: number;
  resolve(results: Embedded[]): void;
  reject(error: unknown): void;
}

/** An item on its way. */
export interface Job<I> {
  readonly group: Group<I>;
  readonly at: number;
}

export type Outcome = PromiseSettledResult<Embedded>;
export type Compute<I> = (clip: Clip, items: readonly I[]) => Promise<Outcome[]>;

/** Groups of one kind. */
export class Lane<I> {
  readonly kind: Kind;
  readonly compute: Compute<I>;
  readonly groups: Group<I>[] = [];
  waiting = 0;
  /** Seconds that an item takes, lately. */
  seconds = 0;

  constructor(kind: Kind, compute: Compute<I>) {
    this.kind = kind;
    this.compute = compute;
  }

  add(group: Group<I>): void {
    this.groups.push(group);
    this.waiting += group.items.length;
  }

  /** Seconds for which the groups hold up another one of so many items: by turns, each goes before it with as many at most. */
  before(items: number): number {
    let count = 0;
    for (const { items: all, next } of this.groups) count += Math.min(all.length - next, items);
    return count * this.seconds;
  }

  /** Takes items for a batch: the groups by turns, an equal share each. */
  take(most: number): Job<I>[] {
    const jobs: Job<I>[] = [];
    while (jobs.length < most && this.groups.length > 0) {
      const share = Math.max(1, Math.floor((most - jobs.length) / this.groups.length));
      const group = this.groups.shift()!;
      for (let i = 0; i < share && group.next < group.items.length; i++) {
        jobs.push({ group, at: group.next++ });
        this.waiting--;
      }
      if (group.next < group.items.length) this.groups.push(group);
    }
    return jobs;
  }

  /** Forgets what waits of a group. */
  drop(group: Group<I>): void {
    const at = this.groups.indexOf(group);
    if (at >= 0) this.groups.splice(at, 1);
    this.waiting -= group.items.length - group.next;
    group.next = group.items.length;
  }

  measure(seconds: number, items: number): void {
    const each = seconds / items;
    this.seconds = this.seconds === 0 ? each : this.seconds + NEWEST * (each - this.seconds);
  }
}
