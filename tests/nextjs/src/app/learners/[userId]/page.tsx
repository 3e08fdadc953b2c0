import type { Metadata } from 'next';
import Link from 'next/link';
import { notFound } from 'next/navigation';
import { riskLevel } from '@/lib/risk';
import { isId } from '@/lib/struggle-predictor';
import { inDays, upcomingFor } from '@/lib/upcoming';
import { ObjectiveList } from './objective-list';

export const dynamic = 'force-dynamic';
export const metadata: Metadata = { title: 'Upcoming objectives' };

export default async function UpcomingObjectives({ params }: { params: Promise<{ userId: string }> }) {
  const userId = decodeURIComponent((await params).userId);
  const learner = isId(userId) ? await upcomingFor(userId) : null;
  if (learner === null) notFound();

  const levels = learner.objectives.flatMap(({ prediction }) => (prediction ? [riskLevel(prediction.probability)] : []));
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
        High risk from 70&nbsp;%, medium from 40&nbsp;%. Struggling means: performance below 65&nbsp;%, three lapses, or a
        validation score below 60&nbsp;%.
      </footer>
    </main>
  );
}
