// GET ?days=7: how the predictions of the last days turned out. Reads only: alerts are for the job that calls
// trackPredictionAccuracy.
import { refuse, signedIn } from '@/lib/guard';
import { measurePredictions } from '@/lib/ml-monitoring';

export const dynamic = 'force-dynamic';

const MOST_DAYS = 366;

export async function GET(request: Request): Promise<Response> {
  const session = await signedIn(request);
  if (session instanceof Response) return session;
  if (!session.maySeeEverybody) return refuse(403, 'forbidden', 'these are figures over all learners');
  const asked = new URL(request.url).searchParams.get('days') ?? '7';
  const days = Number(asked);
  if (!/^\d{1,3}$/.test(asked) || days < 1 || days > MOST_DAYS) {
    return refuse(400, 'invalid_days', `days must be a whole number from 1 to ${MOST_DAYS}`);
  }
  return Response.json(await measurePredictions({ days }));
}
