// POST {userId, objectiveId}: asks predict.py, stores the answer as a StrugglePrediction, and returns the stored row.
import { prisma } from '@/lib/prisma';
import { predictStruggle } from '@/lib/struggle-predictor';

export const runtime = 'nodejs'; // a child process is started

export async function POST(request: Request): Promise<Response> {
  // Whether the signed-in person may see this learner is the application's to decide, here, before anything else.
  const asked = await request.json().catch(() => null);
  const userId: unknown = asked?.userId;
  const objectiveId: unknown = asked?.objectiveId;

  const prediction = await predictStruggle(userId, objectiveId);
  if (!prediction.ok) {
    const { status, code, message } = prediction;
    return Response.json({ error: { code, message } }, { status });
  }

  const { answer } = prediction;
  if (answer.degraded) {
    // It rests on default features: worth showing as such, not worth storing, counting or learning from.
    return Response.json({ stored: null, answer });
  }
  const stored = await prisma.strugglePrediction.create({
    data: {
      userId: answer.user_id,
      learningObjectiveId: answer.objective_id,
      predictedStruggleProbability: answer.probability,
      predictionConfidence: answer.confidence,
      predictionStatus: 'PENDING',
      featureVector: answer.features,
      strugglingFactors: answer.factors.map((factor) => ({ ...factor })),
      predictionDate: new Date(answer.as_of),
    },
  });
  return Response.json({ stored, answer }, { status: 201 });
}
