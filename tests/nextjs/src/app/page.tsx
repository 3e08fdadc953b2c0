import { headers } from 'next/headers';
import Link from 'next/link';
import { forbidden } from 'next/navigation';
import { prisma } from '@/lib/prisma';
import { sessionOf } from '@/lib/session';

export const dynamic = 'force-dynamic';

export default async function Learners() {
  const session = await sessionOf(await headers());
  if (!session?.maySeeEverybody) forbidden();
  const learners = await prisma.user.findMany({ orderBy: { createdAt: 'asc' }, take: 50 });
  return (
    <main>
      <header className="page-head">
        <p className="eyebrow">Struggle prediction</p>
        <h1>Learners</h1>
      </header>
      <ul className="learners">
        {learners.map((learner) => (
          <li key={learner.id}>
            <Link href={`/learners/${encodeURIComponent(learner.id)}`}>{learner.name ?? learner.id}</Link>
          </li>
        ))}
      </ul>
    </main>
  );
}
