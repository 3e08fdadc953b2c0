'use client';

import { useState } from 'react';
import type { UpcomingObjective } from '@/lib/upcoming';
import { ObjectiveCard } from './objective-card';

/** In the order of the page's first sight: a card must not jump away from the reader when its prediction arrives. */
export function ObjectiveList({ userId, objectives }: { userId: string; objectives: UpcomingObjective[] }) {
  const [order] = useState(() => new Map(objectives.map(({ id }, place) => [id, place])));
  const place = ({ id }: UpcomingObjective) => order.get(id) ?? order.size;
  return (
    <ol className="objectives" aria-label="Upcoming objectives">
      {objectives
        .toSorted((one, other) => place(one) - place(other))
        .map((objective) => (
          <li key={objective.id}>
            <ObjectiveCard userId={userId} objective={objective} />
          </li>
        ))}
    </ol>
  );
}
