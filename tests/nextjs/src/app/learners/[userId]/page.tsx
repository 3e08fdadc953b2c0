import type { Metadata } from 'next';
import { headers } from 'next/headers';
import Link from 'next/link';
import { forbidden, notFound } from 'next/navigation';
import { riskLevelBy } from '@/lib/risk';
import { sessionOf } from '@/lib/session';
import { isId } from '@/lib/struggle-predictor';
import { inDays, upcomingFor } from '@/lib/upcoming';
import { ObjectiveList } from './objective-list';

export const dynamic = 'force-dynamic';
export const metadata: Metadata = { title: 'Upcoming objectives' };

export default async function UpcomingObjectives({ params }: { params: Promise<{ userId: string }> }) {
  const session = await sessionOf(await headers());
  if (session === null) forbidden();
  const userId = decoded((await params).userId);
  const learner = isId(userId) && session.maySee(userId) ? await upcomingFor(userId) : null;
  if (learner === null) notFound();

  const levels = learner.objectives.flatMap(({ prediction }) => (prediction ? [riskLevelBy(prediction.thresholds, prediction.probability)] : []));
  const count = (level: string) => levels.filter((one) => one === level).length;
  return (
    <main>
      <header className="page-head">
        <p className="eyebrow">
          <Link href="/">Learners</Link> <span aria-hidden="true">/</span> Upcoming objectives
        </p>
        <h1>{learner.name}</h1>
        <dl className="summary">
          {(['HIGH', 'MEDIUM', 'LOW'] as const).map((level) => (
            <div key={level} className={`tally ${level.toLowerCase()}`}>
              <dt>{level.toLowerCase()} risk</dt>
              <dd>{count(level)}</dd>
            </div>
          ))}
          <div className="tally">
            <dt>not predicted</dt>
            <dd>{learner.objectives.length - levels.length}</dd>
          </div>
        </dl>
        {learner.exams.map((exam) => (
          <p key={exam.id} className="exam">
            <strong>{exam.name}</strong> in {exam.course},{' '}
            <time dateTime={exam.date.toISOString()}>{inDays(exam.days)}</time>
          </p>
        ))}
      </header>
      {learner.objectives.length === 0 ? (
        <p className="empty">Nothing lies ahead.</p>
      ) : (
        <ObjectiveList userId={learner.id} objectives={learner.objectives} />
      )}
      <footer className="page-foot">
        High risk from 70&nbsp;%, medium from 40&nbsp;%, unless your levels are others. Struggling means: performance below 65&nbsp;%, three lapses, or a
        validation score below 60&nbsp;%.
      </footer>
    </main>
  );
}

/** A part of the path as it was before it was encoded; null where it never was. */
function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
