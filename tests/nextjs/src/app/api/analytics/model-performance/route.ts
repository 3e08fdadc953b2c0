// GET ?days=7: how the predictions of the last days turned out.
import { trackPredictionAccuracy } from '@/lib/ml-monitoring';

export const dynamic = 'force-dynamic';

export async function GET(request: Request): Promise<Response> {
  const asked = new URL(request.url).searchParams.get('days') ?? '7';
  const days = Number(asked);
  if (!/^\d{1,4}$/.test(asked) || days < 1) {
    const error = { code: 'invalid_days', message: 'days must be a whole number from 1 to 9999' };
    return Response.json({ error }, { status: 400 });
  }
  return Response.json(await trackPredictionAccuracy({ days }));
}
