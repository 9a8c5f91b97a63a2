/** The parts that are done, against the plan. */

import { counted } from '../counted.ts';
import { ClipError } from '../errors.ts';
import { type DonePart, doneParts } from './parts.ts';
import { type Plan, readPlan } from './plan.ts';
import type { Storage } from './storage.ts';

/**
 * @param plan as it was read before; it may have grown since
 * @throws ClipError IO; PLAN_FORMAT if there is a part beyond the plan: the last files of the plan were lost
 */
export async function plannedParts(
  output: Storage,
  plan: Plan,
): Promise<{ readonly plan: Plan; readonly parts: readonly DonePart[] }> {
  const parts = await doneParts(output, plan.head.layout);
  const last = parts.at(-1);
  if (last === undefined || last.part < plan.shards) return { plan, parts };
  const now = (await readPlan(output)) ?? plan;
  if (last.part < now.shards) return { plan: now, parts };
  throw new ClipError('PLAN_FORMAT', `${output.place}: ${last.files.at(-1)!.name} is beyond the plan, which has ${counted(now.shards, 'shard')} in ${counted(now.files.length, 'file')}: put the file back that is missing in plan/, or remove the part`); // biome-ignore format: one line
}
