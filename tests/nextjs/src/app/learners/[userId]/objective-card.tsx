'use client';

import { useRouter } from 'next/navigation';
import { useId, useState } from 'react';
import { percent, riskLevelBy, thresholdsOf } from '@/lib/risk';
import type { Answer, Factor } from '@/lib/struggle-predictor';
import type { ShownPrediction, UpcomingObjective } from '@/lib/upcoming';

const STRONGEST = 4;
const LEAST_CONTRIBUTION = 0.02; // logits; less than this moves no probability by more than half a point
const FULL_BAR = 0.2; // of the probability; a stronger factor than this sets the length for its card

export function ObjectiveCard({ userId, objective }: { userId: string; objective: UpcomingObjective }) {
  const router = useRouter();
  const headingId = useId();
  const [fresh, setFresh] = useState<ShownPrediction | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const prediction = fresh ?? objective.prediction;

  async function predict() {
    setBusy(true);
    setProblem(null);
    try {
      const reply = await post('/api/analytics/predictions/generate', { userId, objectiveId: objective.id });
      setFresh(shown(reply.answer as Answer, (reply.stored as { id: string } | null)?.id ?? null));
      router.refresh(); // the tally at the top of the page counts what is stored
    } catch (error) {
      setProblem(error instanceof Error ? error.message : 'The prediction failed.');
    } finally {
      setBusy(false);
    }
  }

  return (
    <article className="card" aria-labelledby={headingId} aria-busy={busy} data-objective={objective.id}>
      <div className="card-head">
        <div className="what">
          <p className="where">
            {objective.course} <span aria-hidden="true">·</span> {objective.lecture}
          </p>
          <h2 id={headingId}>{objective.text}</h2>
          <ul className="tags" aria-label="About this objective">
            <li>{words(objective.complexity)}</li>
            <li>{words(objective.mastery)}</li>
            {objective.occasions.map((occasion) => (
              <li key={occasion} className="occasion">
                {occasion}
              </li>
            ))}
          </ul>
        </div>
        <button type="button" className={prediction ? 'quiet' : ''} onClick={predict} disabled={busy} aria-describedby={headingId}>
          {busy ? 'Predicting…' : prediction ? 'Predict again' : 'Predict'}
        </button>
      </div>
      <div aria-live="polite">
        {problem && <p className="problem">{problem}</p>}
        {prediction && <Outcome prediction={prediction} />}
      </div>
      {prediction?.id && prediction.outcome === null && <Feedback key={prediction.id} predictionId={prediction.id} />}
    </article>
  );
}

function Outcome({ prediction }: { prediction: ShownPrediction }) {
  const level = riskLevelBy(prediction.thresholds, prediction.probability);
  const strongest = prediction.factors
    .filter((factor) => factor.value !== null && Math.abs(factor.contribution) >= LEAST_CONTRIBUTION)
    .slice(0, STRONGEST);
  const reach = Math.max(FULL_BAR, ...strongest.map((factor) => Math.abs(points(factor))));
  return (
    <div className={`outcome ${level.toLowerCase()}`}>
      <div className="risk">
        <p className="probability">
          <span className="number" data-probability={prediction.probability}>
            {percent(prediction.probability)}
          </span>
          <span className="level">{words(level)} risk</span>
        </p>
        <Scale prediction={prediction} />
        <p className="confidence">
          Confidence {percent(prediction.confidence)}
          {prediction.interval && `, range ${prediction.interval.map(percent).join(' to ')}`}
        </p>
        <p className="moment">
          As of <time dateTime={prediction.asOf}>{day(prediction.asOf)}</time>
          {prediction.outcome !== null && (prediction.outcome ? '. It turned out to be a struggle.' : '. It went well.')}
        </p>
      </div>
      <div className="why">
        {prediction.degraded && <p className="problem">Rests on default values, and is not stored: {prediction.degraded}</p>}
        {prediction.reasoning && <p className="reasoning">{prediction.reasoning}</p>}
        {prediction.change && <p className="change">Since the last prediction: {prediction.change}</p>}
        {strongest.length > 0 && (
          <>
            <p className="legend" aria-hidden="true">
              <span>lowers the risk</span>
              <span>raises it</span>
            </p>
            <ul className="factors" aria-label="Strongest factors">
              {strongest.map((factor) => (
                <FactorRow key={factor.feature} factor={factor} reach={reach} />
              ))}
            </ul>
          </>
        )}
        {prediction.advice.length > 0 && (
          <div className="advice">
            <h3>What would help</h3>
            <ul>
              {prediction.advice.map((text) => (
                <li key={text}>{text}</li>
              ))}
            </ul>
          </div>
        )}
        {prediction.withoutData > 0 && !prediction.degraded && (
          <p className="absent">
            {prediction.withoutData === 1 ? '1 feature has no data' : `${prediction.withoutData} features have no data`}
          </p>
        )}
      </div>
    </div>
  );
}

/** Where the probability lies between 0 and 1, with its interval and the thresholds of medium and high. */
function Scale({ prediction }: { prediction: ShownPrediction }) {
  const [low, high] = prediction.interval ?? [prediction.probability, prediction.probability];
  return (
    <div className="scale" aria-hidden="true">
      <span className="band" style={{ left: `${100 * low}%`, width: `${100 * (high - low)}%` }} />
      <span className="tick" style={{ left: `${100 * prediction.thresholds.medium}%` }} />
      <span className="tick" style={{ left: `${100 * prediction.thresholds.high}%` }} />
      <span className="mark" style={{ left: `${100 * prediction.probability}%` }} />
    </div>
  );
}

function FactorRow({ factor, reach }: { factor: Factor; reach: number }) {
  const raises = factor.contribution > 0;
  const width = `${(50 * Math.abs(points(factor))) / reach}%`;
  const told = pointsInWords(factor);
  return (
    <li data-feature={factor.feature}>
      <span className="factor-text">{factor.text}</span>
      <span className="bar" role="img" aria-label={`${raises ? 'raises' : 'lowers'} the risk${told && ` by ${told.slice(1)} percentage points`}`}>
        <span className={raises ? 'raises' : 'lowers'} style={raises ? { left: '50%', width } : { right: '50%', width }} />
      </span>
      <span className="points" aria-hidden="true">
        {told}
      </span>
    </li>
  );
}

/** The factor's share of the probability; one of an older row is about a fifth of its logits. */
function points(factor: Factor): number {
  return factor.points ?? factor.contribution / 5;
}

/** Percentage points as "+30" or "−0.4"; empty for a factor of an older row, of which only logits are known. */
function pointsInWords(factor: Factor): string {
  if (factor.points === undefined) return '';
  const size = Math.abs(100 * factor.points);
  return `${factor.points < 0 ? '−' : '+'}${size < 9.95 ? size.toFixed(1) : Math.round(size)}`;
}

function Feedback({ predictionId }: { predictionId: string }) {
  const [said, setSaid] = useState<'asking' | 'sending' | 'thanks' | 'failed'>('asking');

  async function tell(actualStruggle: boolean) {
    setSaid('sending');
    try {
      await post(`/api/analytics/predictions/${encodeURIComponent(predictionId)}/feedback`, { actualStruggle });
      setSaid('thanks');
    } catch {
      setSaid('failed');
    }
  }

  return (
    <div className="feedback" role="group" aria-label="How did it go?" aria-live="polite">
      {said === 'thanks' ? (
        <p>Thank you. This is what the model learns from.</p>
      ) : (
        <>
          <p>{said === 'failed' ? 'That could not be saved. Try again?' : 'Studied it since? How did it go?'}</p>
          <button type="button" className="quiet" disabled={said === 'sending'} onClick={() => tell(true)}>
            I struggled
          </button>
          <button type="button" className="quiet" disabled={said === 'sending'} onClick={() => tell(false)}>
            It went well
          </button>
        </>
      )}
    </div>
  );
}

/** The JSON reply of one of our routes. Throws with the route's own message. */
async function post(path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const reply = await response.json().catch(() => null);
  if (!response.ok || reply === null) throw new Error(reply?.error?.message ?? `The server answered ${response.status}.`);
  return reply;
}

function shown(answer: Answer, id: string | null): ShownPrediction {
  const { probability, confidence, interval, reasoning, factors, degraded, features } = answer;
  const change = answer.change?.text ?? null;
  const withoutData = Array.isArray(features.defaulted) ? features.defaulted.length : 0;
  const told = { probability, thresholds: thresholdsOf(features), confidence, interval, reasoning, factors };
  const advice = answer.advice.map(({ text }) => text);
  return { id, ...told, withoutData, advice, change, degraded, outcome: null, asOf: answer.as_of };
}

/** 2025-10-16T09:00:00Z as 16 October 2025, the same on the server and in every browser. */
function day(instant: string): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(instant));
}

/** NOT_STARTED as people write it. */
function words(name: string): string {
  const text = name.toLowerCase().replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}
